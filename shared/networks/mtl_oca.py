"""MTL-OCA: a residual U-Net whose mask uses object-contextual attention; the class is read before that attention."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.nets import UNet
from torch import Tensor, nn

from ..errors import InputError
from .append_class_logits import append_class_logits
from .gaussian_edges import GaussianEdges
from .object_context import GROUPS, ObjectContextAttention
from .size_rule import check_multiples

__all__ = ["MTLOCA"]

GRID = 8  # the class head sees the mean features of 8 x 8 parts of the image
HIDDEN = 256


class MTLOCA(nn.Module):
    """Segment by object-contextual attention on a residual U-Net, and classify by the features before that attention.

    Lu et al., "Automatic joint segmentation and classification of breast ultrasound images via multi-task learning with
    object contextual attention", Frontiers in Oncology 15, 2025. The image and its edges (`GaussianEdges`) pass a
    residual U-Net with group normalisation, MONAI's `UNet`. Its last features, with the context of two regions, lesion
    and background (`ObjectContextAttention`), give the mask. The same features without context give the class, by two
    linear layers.

    The authors' program is not public. The parts are those that the article's abstract and two public reproductions
    name. These do not give the article's widths, scale of the edges and hidden units: here as in the other U-Nets of
    this collection, 1 pixel, and 256. The published class head reads all pixels, which fixes the size of the image;
    this one reads the means over 8 x 8 parts. 7.1 million parameters.

    In training `forward` returns a dictionary: `pred` (B, 1, H, W), `class_logits` (B, `num_classes`), and
    `side_outputs`, a list of one, the logit (B, 1, H, W) of the region "lesion" against "background"; the article
    supervises it with weight 0.4. In evaluation it returns one tensor (B, 1 + `num_classes`, H, W), with the class
    logits constant over space after the mask. Sizes are multiples of 16 with five levels, of 8 with fewer.

    Args:
        in_channels: of the image.
        num_classes: K.
        channels: widths of the U-Net's levels, fine to coarse, multiples of 8.
        key_channels: of the attention, a multiple of 8.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 3,
        channels: Sequence[int] = (32, 64, 128, 256, 512),
        key_channels: int = 64,
    ) -> None:
        super().__init__()
        if any(width < GROUPS or width % GROUPS for width in (*channels, key_channels)):
            raise InputError(
                f"channels and key_channels: expected multiples of {GROUPS}, got {list(channels)} and {key_channels}."
            )
        self.in_channels = in_channels
        self.size_multiple = max(GRID, 2 ** (len(channels) - 1))
        self.edges = GaussianEdges()
        self.backbone = UNet(
            spatial_dims=2,
            in_channels=in_channels + 1,
            out_channels=channels[0],
            channels=channels,
            strides=[2] * (len(channels) - 1),
            num_res_units=2,
            act="relu",
            norm=("group", {"num_groups": GROUPS}),
        )
        self.context = ObjectContextAttention(channels[0], key_channels, regions=2)
        self.mask_head = nn.Conv2d(channels[0], 1, kernel_size=1)
        self.class_head = nn.Sequential(
            nn.Linear(GRID**2 * channels[0], HIDDEN), nn.ReLU(inplace=True), nn.Linear(HIDDEN, num_classes)
        )

    def forward(self, image: Tensor) -> dict[str, Tensor | list[Tensor]] | Tensor:
        """Segment and classify images (B, `in_channels`, H, W); see the class for what is returned."""
        check_multiples(image, self.in_channels, self.size_multiple)
        features = self.backbone(torch.cat([image, self.edges(image)], dim=1))
        class_logits = self.class_head(_mean_parts(features).flatten(1))
        with_context, regions = self.context(features)
        logits = self.mask_head(with_context)
        if self.training:
            lesion = regions[:, 1:] - regions[:, :1]
            return {"pred": logits, "class_logits": class_logits, "side_outputs": [lesion]}
        return append_class_logits(logits, class_logits)


def _mean_parts(features: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C, 8, 8): `adaptive_avg_pool2d`, in a form that ONNX takes for every size."""
    batch, channels, height, width = features.shape
    return features.view(batch, channels, GRID, height // GRID, GRID, width // GRID).mean(dim=(3, 5))
