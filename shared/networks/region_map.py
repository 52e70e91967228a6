"""Region map of CLoE: where the foreground is, from all available modalities together."""

from __future__ import annotations

from torch import Tensor, nn

from .weighted_sum import equal_weights, weighted_sum

__all__ = ["RegionMap"]


class RegionMap(nn.Sequential):
    """Region map of Eq. 4: one logit per voxel from the mean of the available modalities' finest features.

    Tong et al., "CLoE: Expert Consistency Learning for Missing Modality Segmentation" (2026). The paper leaves the
    layers of the projection pi open. Here they are a 3 x 3 x 3 convolution that halves the channels, a leaky ReLU and a
    1 x 1 x 1 convolution.

    Args:
        features: channels of the finest level, even.
    """

    def __init__(self, features: int) -> None:
        last = nn.Conv3d(features // 2, 1, kernel_size=1)
        nn.init.zeros_(last.bias)
        enter = nn.Conv3d(features, features // 2, kernel_size=3, padding=1, padding_mode="reflect")
        super().__init__(enter, nn.LeakyReLU(0.2, inplace=True), last)

    def forward(self, packed: Tensor, filled: Tensor) -> Tensor:
        """Return logits (B, 1, *spatial).

        Args:
            packed: (B, K, C, *spatial), the finest features.
            filled: boolean (B, K), available, with at least one True per sample.
        """
        projected = weighted_sum(packed, equal_weights(filled))
        for layer in self:
            projected = layer(projected)
        return projected
