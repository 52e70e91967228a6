"""Structural similarity of all pairs of feature maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.utils import ensure_tuple_rep
from torch import Tensor
from torch.nn import functional

from ..errors import InputError

__all__ = ["pairwise_structural_similarity"]


def pairwise_structural_similarity(
    maps: Tensor, window_size: Sequence[int] | int = 11, sigma: float = 1.5, data_range: float | Tensor | None = None
) -> Tensor:
    r"""Structural similarity (SSIM) of every feature map with every other, mean over channels and positions.

    .. math:: \frac{2 \mu_a \mu_b + c_1}{\mu_a^2 + \mu_b^2 + c_1}
        \cdot \frac{2 \sigma_{ab} + c_2}{\sigma_a^2 + \sigma_b^2 + c_2}

    Wang et al., IEEE Transactions on Image Processing 13(4), 2004; means, variances and covariances in a Gaussian
    window with reflected borders, c_1 = (0.01 R)^2, c_2 = (0.03 R)^2. MONAI's `SSIMLoss` compares one pair at a time,
    convolves with the window in all dimensions at once, and leaves the border out. Here the window is applied axis by
    axis, as a matrix product, and the mean and the variance of a map are computed once for all its pairs.

    Args:
        maps: (N, C, *spatial).
        window_size: voxels along every axis, or per axis; odd, and less than twice the axis.
        sigma: standard deviation of the window, in voxels.
        data_range: R; without it the largest difference of values in all maps, without gradient.

    Returns:
        (N, N), symmetric; the diagonal is one.
    """
    windows = [
        _window(size, window, sigma, maps)
        for size, window in zip(maps.shape[2:], ensure_tuple_rep(window_size, maps.ndim - 2), strict=True)
    ]
    everything = maps.detach()
    if data_range is None:
        data_range = (everything.amax() - everything.amin()).clamp(min=1e-12)
    c_1, c_2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    first, second = torch.triu_indices(len(maps), len(maps), offset=1, device=maps.device)

    centre = everything.mean()  # small numbers have small rounding errors in what follows
    maps = maps - centre
    blurred = _blurred(maps, windows)
    means = blurred + centre
    variances = (_blurred(maps.square(), windows) - blurred.square()).clamp(min=0)
    covariances = _blurred(maps[first] * maps[second], windows) - blurred[first] * blurred[second]
    products, squares = means[first] * means[second], means.square()
    luminance = (2 * products + c_1) / (squares[first] + squares[second] + c_1)
    structure = (2 * covariances + c_2) / (variances[first] + variances[second] + c_2)
    of_pairs = (luminance * structure).flatten(1).mean(dim=1)

    similarities = torch.eye(len(maps), dtype=maps.dtype, device=maps.device)
    similarities = similarities.index_put((first, second), of_pairs)
    return similarities.index_put((second, first), of_pairs)


def _window(size: int, window: int, sigma: float, like: Tensor) -> Tensor:
    """Return the matrix (size, size) that blurs along an axis and reflects at its ends."""
    radius = window // 2
    if window % 2 == 0 or window < 1 or radius >= size:
        raise InputError(
            f"window_size: {window} does not fit an axis of {size} voxels of the deepest feature map; it must be odd "
            f"and at most {2 * size - 1}. Take a larger patch, a smaller window, or similarity 'cosine'."
        )
    distances = torch.arange(-radius, radius + 1, dtype=like.dtype, device=like.device)
    weights = (-0.5 * (distances / sigma).square()).exp()
    weights = weights / weights.sum()
    places = torch.eye(size, dtype=like.dtype, device=like.device).unsqueeze(1)
    if radius:
        places = functional.pad(places, (radius, radius), mode="reflect")
    return functional.conv1d(places, weights.view(1, 1, -1)).squeeze(1).t()


def _blurred(maps: Tensor, windows: Sequence[Tensor]) -> Tensor:
    for window in windows:
        maps = torch.tensordot(maps, window, dims=([2], [1]))  # the axis goes to the end, the next comes first
    return maps
