"""MONAI's FlexibleUNet on any encoder of this collection, with a class head."""

from __future__ import annotations

from collections.abc import Sequence

from monai.networks.nets import FlexibleUNet

from .class_head import WithClassHead
from .efficientnet_encoder import check_encoder, encoder_errors

__all__ = ["flexible_unet_with_class_head"]


def flexible_unet_with_class_head(
    encoder: str = "efficientnet-b4",
    encoder_weights: str | None = None,
    decoder_channels: Sequence[int] = (256, 128, 64, 32, 16),
    num_classes: int = 3,
) -> WithClassHead:
    """Return MONAI's `FlexibleUNet` with a class head on the encoder's deepest map; no part of the encoder is frozen.

    Args:
        encoder: see `FrozenStartEfficientNet`.
        encoder_weights: "imagenet" or None, see there.
        decoder_channels: widths of the decoder's five levels, coarse to fine.
        num_classes: K.
    """
    features = check_encoder(encoder, encoder_weights)[-1]
    with encoder_errors(encoder):
        network = FlexibleUNet(3, 1, encoder, encoder_weights is not None, tuple(decoder_channels))
    return WithClassHead(network, "encoder", features, num_classes, norm_momentum=0.1)
