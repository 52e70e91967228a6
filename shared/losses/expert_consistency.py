"""Expert consistency losses: agreement of experts over the whole image (MEC) and over a region (REC)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..networks.expert_agreement import expert_similarities

__all__ = ["ModalityExpertConsistencyLoss", "RegionExpertConsistencyLoss", "expert_consistency"]


def expert_consistency(probabilities: Tensor, available: Tensor, region: Tensor | None = None) -> Tensor:
    r"""Mean disagreement over all pairs of available experts.

    .. math:: \frac{1}{|P|} \sum_{(a, b) \in P} (1 - S(p_a, p_b))

    Without a region the modality expert consistency, Eq. 3 of Tong et al., "CLoE: Expert Consistency Learning for
    Missing Modality Segmentation" (2026); with a region map r, whose product with p is compared, the region expert
    consistency, Eq. 5. S is the cosine similarity of Eq. 2. Computed in float32 under autocast.

    Args:
        probabilities: (B, M, C, *spatial), of every expert; of an expert that is not available anything.
        available: boolean (B, M).
        region: (B, 1, *spatial), in [0, 1].

    Returns:
        (B,), in [0, 1]; zero in a sample with fewer than two available experts, which has no pair.
    """
    if available.dtype != torch.bool or available.shape != probabilities.shape[:2]:
        raise ValueError(
            f"available must be boolean (B, M) = {tuple(probabilities.shape[:2])}, "
            f"got {available.dtype} {tuple(available.shape)}."
        )
    if region is not None and region.shape != (len(probabilities), 1, *probabilities.shape[3:]):
        raise ValueError(
            f"region must be (B, 1, *spatial), probabilities are (B, M, C, *spatial) = {tuple(probabilities.shape)}, "
            f"got {tuple(region.shape)}."
        )
    similarities = expert_similarities(probabilities.as_subclass(Tensor), available, region)
    pairs = (available.unsqueeze(1) & available.unsqueeze(2)).triu(diagonal=1)
    return ((1 - similarities) * pairs).sum(dim=(1, 2)) / pairs.sum(dim=(1, 2)).clamp(min=1)


class ModalityExpertConsistencyLoss(nn.Module):
    """`expert_consistency` of logits, Eq. 3: mean over the samples that have two available experts or more.

    A cosine over all classes hardly sees small structures: two experts that disagree on all of a lesion of 8^3 voxels
    in an image of 20^3 have a loss of 0.03. Two experts that find nothing but background agree perfectly.

    Args:
        include_background: compare the first class, too, as the paper does.
    """

    def __init__(self, include_background: bool = True) -> None:
        super().__init__()
        self.include_background = include_background

    def forward(self, experts: Tensor, available: Tensor) -> Tensor:
        """Return the loss, a scalar; zero if no sample has two available experts.

        Args:
            experts: logits (B, M, C, *spatial).
            available: boolean (B, M).
        """
        probabilities = _probabilities(experts, self.include_background)
        return _mean_over_pairs(expert_consistency(probabilities, available), available)


class RegionExpertConsistencyLoss(nn.Module):
    """`expert_consistency` of logits in a region, Eq. 5: mean over samples with two available experts or more.

    A region map that learns from this loss learns to look away: the loss falls where r is small at the voxels on which
    experts disagree, and the similarity does not depend on the scale of r. So no gradient goes to r unless asked for,
    and r needs a loss of its own, `RegionSupervisionLoss`.

    Args:
        detach_region: no gradient goes into the region map. The paper does not say so.
        include_background: compare the first class, too, as the paper does.
    """

    def __init__(self, detach_region: bool = True, include_background: bool = True) -> None:
        super().__init__()
        self.detach_region = detach_region
        self.include_background = include_background

    def forward(self, experts: Tensor, available: Tensor, region: Tensor) -> Tensor:
        """Return the loss, a scalar; zero if no sample has two available experts.

        Args:
            experts: logits (B, M, C, *spatial).
            available: boolean (B, M).
            region: logits (B, 1, *spatial).
        """
        region = (region.detach() if self.detach_region else region).float().sigmoid()
        probabilities = _probabilities(experts, self.include_background)
        return _mean_over_pairs(expert_consistency(probabilities, available, region), available)


def _probabilities(experts: Tensor, include_background: bool) -> Tensor:
    probabilities = experts.float().softmax(dim=2)
    return probabilities if include_background else probabilities[:, :, 1:]


def _mean_over_pairs(values: Tensor, available: Tensor) -> Tensor:
    """Return the mean over samples that have a pair; the others are zero."""
    return values.sum() / (available.sum(dim=1) > 1).sum().clamp(min=1)
