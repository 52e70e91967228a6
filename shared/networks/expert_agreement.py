"""How far the segmentations of several experts agree."""

from __future__ import annotations

import torch
from torch import Tensor

from .present_modalities import masked

__all__ = ["agreement_scores", "expert_similarities"]


def expert_similarities(probabilities: Tensor, available: Tensor, region: Tensor | None = None) -> Tensor:
    r"""Cosine similarities of the probability maps of all pairs of experts.

    .. math:: S_{ab} = \frac{p_a^T p_b}{\|p_a\| \|p_b\| + \epsilon}

    Eq. 2 of Tong et al., "CLoE: Expert Consistency Learning for Missing Modality Segmentation" (2026), over the
    vectors of all voxels and classes. With a region map r, p becomes r p, as in Eq. 5. The paper leaves epsilon open;
    here it is 1e-8. Computed in float32 under autocast: sums of squares overflow in half precision.

    Args:
        probabilities: (B, M, C, *spatial), of every expert; of an expert that is not available anything.
        available: boolean (B, M).
        region: (B, 1, *spatial), in [0, 1].

    Returns:
        (B, M, M), symmetric; zero in the rows and columns of experts that are not available.
    """
    if torch.jit.is_scripting():
        return _cosines(probabilities, available, region)
    with torch.autocast(probabilities.device.type, enabled=False):
        return _cosines(probabilities, available, region)


def agreement_scores(similarities: Tensor, available: Tensor) -> Tensor:
    """Mean similarity of every expert to the other available experts, u and v of Eq. 6, (B, M).

    Args:
        similarities: (B, M, M), of `expert_similarities`.
        available: boolean (B, M).

    Returns:
        Zero for an expert that is not available, and for the only one that is.
    """
    itself = torch.eye(available.shape[1], dtype=torch.bool, device=available.device)
    pairs = available.unsqueeze(1) & available.unsqueeze(2) & ~itself
    others = (available.sum(dim=1, keepdim=True) - 1).clamp(min=1)
    return (similarities * pairs).sum(dim=2) / others


def _cosines(probabilities: Tensor, available: Tensor, region: Tensor | None) -> Tensor:
    vectors = masked(probabilities, available)
    vectors = vectors if vectors.dtype == torch.float64 else vectors.float()
    if region is not None:
        vectors = vectors * region.to(vectors.dtype).unsqueeze(1)
    vectors = vectors.flatten(2)
    products = torch.matmul(vectors, vectors.transpose(1, 2))
    # At a norm of zero the root has an infinite slope; clamped, it has none.
    norms = products.diagonal(dim1=1, dim2=2).clamp(min=1e-30).sqrt()
    return products / (norms.unsqueeze(1) * norms.unsqueeze(2) + 1e-8)
