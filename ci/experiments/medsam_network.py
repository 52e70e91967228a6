"""MedSAM (Ma et al., Nature Communications 15, 2024): the published weights in the package transformers.

The network is SAM's ViT-B: image encoder, encoder of prompts, mask decoder. `SamModel` of transformers is that network
under other names. The package segment-anything has the published names, but needs torchvision and has not changed since
2023.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ci.prepare.convert_checkpoint import read_state_dict
from shared.errors import InputError

if TYPE_CHECKING:
    from transformers import SamConfig, SamModel

__all__ = ["MedSAM", "load_medsam", "published_name", "weights_of"]

PACKAGE = "transformers==5.24.0"  # not in requirements.txt: MONAI imports it at every start where it is installed
MOST_SHOWN = 5

# Parts of names in transformers, and what is in their place in the published checkpoint.
PARTS = {
    "prompt_encoder.shared_embedding.": "prompt_encoder.pe_layer.",
    "shared_image_embedding.": "prompt_encoder.pe_layer.",
    "positional_embedding": "positional_encoding_gaussian_matrix",
    "vision_encoder.layers.": "image_encoder.blocks.",
    "vision_encoder.": "image_encoder.",
    "patch_embed.projection.": "patch_embed.proj.",
    "neck.conv1.": "neck.0.",
    "neck.layer_norm1.": "neck.1.",
    "neck.conv2.": "neck.2.",
    "neck.layer_norm2.": "neck.3.",
    "prompt_encoder.point_embed.": "prompt_encoder.point_embeddings.",
    "mask_embed.conv1.": "mask_downscaling.0.",
    "mask_embed.layer_norm1.": "mask_downscaling.1.",
    "mask_embed.conv2.": "mask_downscaling.3.",
    "mask_embed.layer_norm2.": "mask_downscaling.4.",
    "mask_embed.conv3.": "mask_downscaling.6.",
    "upscale_conv1.": "output_upscaling.0.",
    "upscale_layer_norm.": "output_upscaling.1.",
    "upscale_conv2.": "output_upscaling.3.",
    "layer_norm": "norm",
}
PERCEPTRON = re.compile(r"(output_hypernetworks_mlps\.\d+|iou_prediction_head)\.(proj_in|layers\.0|proj_out)\.")
LAYERS = {"proj_in": "layers.0", "layers.0": "layers.1", "proj_out": "layers.2"}


def published_name(name: str) -> str:
    """Return what the published checkpoint calls a parameter of `SamModel`."""
    for ours, theirs in PARTS.items():
        name = name.replace(ours, theirs)
    return PERCEPTRON.sub(lambda found: f"{found[1]}.{LAYERS[found[2]]}.", name)


def weights_of(published: Mapping[str, Tensor], network: torch.nn.Module) -> dict[str, Tensor]:
    """Return the published weights under the names of a `SamModel`.

    Args:
        published: state dict with the names of the published code.
        network: of the same sizes; its own weights do not matter.

    Raises:
        InputError: names or shapes differ.
    """
    ours = network.state_dict()
    sources = {name: published_name(name) for name in ours}
    faults = [f"no {there}" for there in dict.fromkeys(sources.values()) if there not in published]
    faults += [f"{there}: unknown" for there in published if there not in sources.values()]
    for name, there in sources.items():
        if there in published and published[there].shape != ours[name].shape:
            given, expected = (tuple(tensor.shape) for tensor in (published[there], ours[name]))
            faults.append(f"{there}: expected shape {expected}, got {given}")
    if faults:
        rest = f"; and {len(faults) - MOST_SHOWN} more" if len(faults) > MOST_SHOWN else ""
        raise InputError(
            f"holds other weights than MedSAM's ViT-B ({'; '.join(faults[:MOST_SHOWN])}{rest}); give the file "
            "medsam_vit_b.pth of its authors."
        )
    return {name: published[there] for name, there in sources.items()}


def load_medsam(checkpoint: str | Path, device: torch.device, config: SamConfig | None = None) -> MedSAM:
    """Read the checkpoint of the authors. Nothing is downloaded.

    Args:
        checkpoint: their file, medsam_vit_b.pth.
        device: for the network.
        config: sizes; None for those of the published network.

    Raises:
        InputError: transformers or the file is missing, or the file holds anything else.
    """
    path = Path(checkpoint)
    published = read_state_dict(path)
    try:
        from transformers import SamConfig, SamModel
    except ImportError as error:
        raise InputError(f"MedSAM needs the package transformers; install it: pip install {PACKAGE}") from error
    with torch.device("meta"):
        network = SamModel(SamConfig() if config is None else config)
    try:
        weights = weights_of(published, network)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    network.load_state_dict(weights, assign=True)
    return MedSAM(network.to(device, torch.float32).eval(), device)


class MedSAM:
    """Masks of boxes in grey images, prepared as in the published inference.

    Args:
        network: a `SamModel`.
        device: where it is.
    """

    def __init__(self, network: SamModel | Any, device: torch.device) -> None:
        self.network, self.device = network, device
        self.size = network.config.vision_config.image_size

    @torch.no_grad()
    def embed(self, grey: np.ndarray) -> Tensor:
        """Encode an image: cubic interpolation to a square, values from 0 to 1, three equal channels.

        Args:
            grey: (rows, columns), uint8.
        """
        from skimage.transform import resize

        square = resize(grey, (self.size, self.size), order=3, preserve_range=True, anti_aliasing=True)
        square = torch.from_numpy(square.astype(np.uint8)).float()  # the published code cuts decimals off here
        low, high = square.min(), square.max()
        values = (square - low) / (high - low).clamp(min=1e-8)
        return self.network.get_image_embeddings(values.expand(1, 3, -1, -1).to(self.device))

    @torch.no_grad()
    def masks(self, embedding: Tensor, boxes: Sequence[Sequence[float]], shape: tuple[int, int]) -> np.ndarray:
        """Segment what is in each box: probability above one half.

        Args:
            embedding: of the image.
            boxes: left, top, right and bottom edge of each, in pixels of the image; at least one box.
            shape: rows and columns of the image.

        Returns:
            (boxes, rows, columns), boolean.
        """
        rows, columns = shape
        scale = torch.tensor([self.size / columns, self.size / rows] * 2)
        prompts = (torch.tensor(boxes, dtype=torch.float32) * scale).to(self.device)
        found = self.network(image_embeddings=embedding, input_boxes=prompts[None], multimask_output=False)
        probabilities = found.pred_masks[0].float().sigmoid()  # (boxes, 1, rows, columns) of a quarter of the size
        probabilities = interpolate(probabilities, size=shape, mode="bilinear", align_corners=False)
        return (probabilities[:, 0] > 0.5).cpu().numpy()
