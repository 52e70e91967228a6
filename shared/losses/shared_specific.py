"""Losses of shared and of specific features of modalities."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import InputError

__all__ = ["SharedSpecificLoss", "shared_distance"]


class SharedSpecificLoss(nn.Module):
    r"""Shared features of all modalities become alike, specific features identify their modality.

    .. math:: \alpha \, \ell_{dao} + \beta \, \ell_{dco}

    The auxiliary terms of Eq. 9 of Wang et al., "Multi-modal Learning with Missing Modality via Shared-Specific Feature
    Modelling", CVPR 2023: the distribution alignment of Eq. 8 with p = 1 (`shared_distance`), which the paper chooses,
    and the domain classification of Eq. 5, a cross-entropy, here its mean over all available modalities of the batch.
    Modalities that are not available count in neither (Section 3.3.3).

    Args:
        alignment_weight: alpha.
        domain_weight: beta.
    """

    def __init__(self, alignment_weight: float = 0.1, domain_weight: float = 0.02) -> None:
        super().__init__()
        for name, weight in (("alignment_weight", alignment_weight), ("domain_weight", domain_weight)):
            if not weight >= 0:
                raise InputError(f"{name} must be at least 0, got {weight}.")
        self.alignment_weight = alignment_weight
        self.domain_weight = domain_weight

    def forward(self, prediction: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """Return the loss, a scalar, computed in float32 under autocast as well.

        Args:
            prediction: of `shared.networks.ShaSpec` in training.
            target: not read.
        """
        return self.terms(prediction, target)["completion"]

    def terms(self, prediction: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss `completion` and, not weighted, `shared_distance` and `domain_cross_entropy`."""
        available = prediction["available"]
        with torch.autocast(available.device.type, enabled=False):
            distance = shared_distance(prediction["shared"].float(), available)
            domains = available.nonzero()[:, 1]
            cross_entropy = functional.cross_entropy(prediction["domain_logits"].float()[available], domains)
        return {
            "completion": self.alignment_weight * distance + self.domain_weight * cross_entropy,
            "shared_distance": distance,
            "domain_cross_entropy": cross_entropy,
        }


def shared_distance(shared: Tensor, available: Tensor) -> Tensor:
    r"""Mean absolute differences of the features of neighbouring modalities, summed over a ring, mean over samples.

    .. math:: \frac{1}{B} \sum_b \sum_{k=1}^{K_b} \overline{|r_{b k} - r_{b (k + 1)}|}

    over the K_b available modalities of a sample in their order, the first after the last one. The published code has
    these pairs; Eq. 8 of the paper does not say which it sums over. One modality alone has distance 0.

    Args:
        shared: (B, M, C, *spatial).
        available: boolean (B, M).
    """
    of_samples = [features[chosen] for features, chosen in zip(shared, available, strict=True)]
    distances = [(ring - ring.roll(-1, dims=0)).abs().flatten(1).mean(dim=1).sum() for ring in of_samples]
    return torch.stack(distances).mean()
