"""Boundary loss: difference in the curvature of contours."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .lesion_mask import LesionMaskLoss

__all__ = ["BoundaryCurvatureLoss", "curvature_distance", "curvature_kernel"]


def curvature_kernel(sigma: float = 1.0, size: int = 5) -> Tensor:
    r"""Filter that answers to horizontal against vertical contours, (1, 1, `size`, `size`).

    .. math:: K_{curv}(x, y) \propto (x^2 - y^2) \exp(-r^2 / 2 \sigma^2), \qquad \sum |K_{curv}| = 1

    It changes its sign under a rotation by 90 degrees, and is blind to contours that are exactly diagonal.

    Args:
        sigma: in pixels.
        size: of the square, odd, 3 or more.
    """
    if size < 3 or size % 2 == 0 or not sigma > 0:
        raise ValueError(f"size must be odd and 3 or more, sigma positive, got {size} and {sigma}.")
    offsets = torch.arange(size, dtype=torch.float64) - size // 2
    y, x = torch.meshgrid(offsets, offsets, indexing="ij")
    kernel = (x**2 - y**2) * torch.exp(-(x**2 + y**2) / (2 * sigma**2))
    return (kernel / kernel.abs().sum()).float()[None, None]


def curvature_distance(mask: Tensor, predicted_mask: Tensor, kernel: Tensor) -> Tensor:
    """Mean absolute difference of two filtered masks (B, 1, H, W), with zeros around them: Eq. 11, a scalar."""
    difference = mask - predicted_mask  # the filter is linear
    return functional.conv2d(difference, kernel.to(difference), padding=kernel.shape[-1] // 2).abs().mean()


class BoundaryCurvatureLoss(LesionMaskLoss):
    r"""Boundary loss.

    .. math:: L_{boundary} = \mathrm{E}[|K_{curv} * M_{bin} - K_{curv} * \hat M_{bin}|]

    Eq. 11 of Al Shafi et al., "Multi-Level Bidirectional Decoder Interaction for Uncertainty-Aware Breast Ultrasound
    Analysis"; mean over pixels. As written it trains nothing: a thresholded prediction has no gradient. Here its value
    is Eq. 11's and its gradient that of the probability in the mask's place (straight-through). Sigma is the paper's;
    the filter's size is not given there (5 in its authors' program, which also divides by the sum of magnitudes).

    The values are small: 0.003 to 0.004 at 224 x 224 for a round lesion that is displaced by 2 to 20 pixels.

    Args:
        sigma: of the filter, in pixels.
        kernel_size: of the filter, odd.
    """

    def __init__(self, sigma: float = 1.0, kernel_size: int = 5) -> None:
        super().__init__()
        self.register_buffer("kernel", curvature_kernel(sigma, kernel_size), persistent=False)

    def of_probability(self, probability: Tensor, mask: Tensor) -> Tensor:
        """Return the loss, a scalar."""
        thresholded = (probability > 0.5).to(probability.dtype)
        straight_through = thresholded + (probability - probability.detach())
        return curvature_distance(mask, straight_through, self.kernel)
