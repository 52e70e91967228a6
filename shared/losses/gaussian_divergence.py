"""Divergence of diagonal Gaussians."""

from __future__ import annotations

from torch import Tensor

__all__ = ["gaussian_divergence"]


def gaussian_divergence(mean: Tensor, log_variance: Tensor, other_mean: Tensor, other_log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of one diagonal Gaussian from another, (B,), mean over all other axes.

    Args:
        mean: (B, L, *spatial).
        log_variance: same shape.
        other_mean: same shape.
        other_log_variance: same shape.
    """
    shift = (mean - other_mean).square() * (-other_log_variance).exp()
    ratio = log_variance - other_log_variance
    return 0.5 * (ratio.exp() + shift - 1 - ratio).flatten(1).mean(dim=1)
