"""Edge strength of an image by derivatives of a Gaussian."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["GaussianEdges"]


class GaussianEdges(nn.Module):
    """Length of the gradient of an image's mean over channels, smoothed by a Gaussian; nothing is learned.

    The border is repeated outwards. The Gaussian ends at three standard deviations.

    Args:
        sigma_px: standard deviation in pixels.
    """

    def __init__(self, sigma_px: float = 1.0) -> None:
        super().__init__()
        self.radius = math.ceil(3 * sigma_px)
        position = torch.arange(-self.radius, self.radius + 1.0)
        smooth = torch.exp(-position.square() / (2 * sigma_px**2))
        smooth = smooth / smooth.sum()
        derivative = position / sigma_px**2 * smooth
        kernels = torch.stack([torch.outer(smooth, derivative), torch.outer(derivative, smooth)]).unsqueeze(1)
        self.register_buffer("kernels", kernels, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Return edge strength (B, 1, H, W) per pixel of images (B, C, H, W)."""
        grey = functional.pad(image.mean(dim=1, keepdim=True), [self.radius] * 4, mode="replicate")
        return torch.linalg.vector_norm(functional.conv2d(grey, self.kernels), dim=1, keepdim=True)
