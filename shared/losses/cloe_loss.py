"""Total loss of networks of modality experts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ..errors import InputError
from .contrastive_representation import ContrastiveRepresentationLoss
from .expert_consistency import ModalityExpertConsistencyLoss, RegionExpertConsistencyLoss
from .expert_supervision import ExpertSupervisionLoss
from .learned_uncertainties import LearnedUncertainties
from .loss_terms import CompletionLoss, Total
from .pareto_fuzzy import ParetoFuzzyLoss
from .probabilities_at_size import probabilities_at_size
from .region_supervision import RegionSupervisionLoss, region_means
from .weighted_cross_entropy import WeightedCrossEntropyDiceLoss

__all__ = ["CLoELoss"]

Prediction = Mapping[str, Tensor | Sequence[Tensor]]


class CLoELoss(nn.Module):
    r"""Segmentation by the fusion and by every expert, agreement of the experts, and contrastive representation.

    .. math:: L = w_f L_{seg} + \alpha (L_{experts} + \eta (L_{MEC} + \lambda L_{REC})) + w_r L_{region}
        + \beta L_{contrast}

    Eq. 11 with Eqs. 8 to 10 of Tong et al., "CLoE: Expert Consistency Learning for Missing Modality Segmentation"
    (2026). The paper gives no weights. Here alpha and beta are those of DC-Seg (Li et al., MICCAI 2025); eta and
    lambda are chosen. Eta is best raised from 0, since experts that all predict background agree. Not in the paper:

    - L_region, see `RegionSupervisionLoss`. The printed form is ``region_weight=0, detach_region=False``.
    - Deep supervision, for RFNet and DC-Seg: with ``modality_consistency=0, region_consistency=0, region_weight=0,
      deep_supervision_weight=1``. Networks without experts (RobustSeg, M3AE, U-HVED, U-HeMIS) have ``expert_weight=0``.
    - The loss of networks that restore the modalities.

    A term of weight 0 is not computed, and its part of the prediction is not needed. Only terms weighted by eta and w_f
    are always computed, since these weights may change during the training.

    Args:
        weighted_classes: give rare classes a larger weight, in the loss of the fusion, the experts and deep
            supervision; see `WeightedCrossEntropyDiceLoss`.
        expert_weight: alpha.
        consistency_weight: eta, until `set_consistency_weight` changes it.
        modality_consistency: 1, or 0 to leave L_MEC out.
        region_consistency: lambda, 0 to leave L_REC out.
        region_weight: w_r.
        detach_region: see `RegionExpertConsistencyLoss`.
        include_background: the agreement counts the background as well.
        contrastive_loss: L_contrast, or None for networks without branches.
        contrastive_weight: beta.
        deep_supervision_weight: of the segmentation loss on every probability map of RFNet.
        fused_weight: w_f, until `set_fused_weight` changes it (RFNet and DC-Seg: 0 in the first epochs).
        completion_loss: of a network that also restores the modalities, or (M3AE) sees two subsets of them. It has
            weights of its own.
        fused_loss: L_seg of the fusion with fuzzy labels; the memberships are computed from the label's patch. None:
            the same loss as that of the experts.
        uncertainties: learns the weights of "fused", "experts", "region", "deep_supervision" or "contrastive". None:
            the weights above.
    """

    def __init__(
        self,
        weighted_classes: bool = True,
        expert_weight: float = 1.0,
        consistency_weight: float = 0.1,
        modality_consistency: float = 1.0,
        region_consistency: float = 1.0,
        region_weight: float = 1.0,
        detach_region: bool = True,
        include_background: bool = True,
        contrastive_loss: ContrastiveRepresentationLoss | None = None,
        contrastive_weight: float = 0.4,
        deep_supervision_weight: float = 0.0,
        fused_weight: float = 1.0,
        completion_loss: CompletionLoss | None = None,
        fused_loss: ParetoFuzzyLoss | None = None,
        uncertainties: LearnedUncertainties | None = None,
    ) -> None:
        super().__init__()
        self.weights = {
            "expert_weight": expert_weight,
            "modality_consistency": modality_consistency,
            "region_consistency": region_consistency,
            "region_weight": region_weight,
            "contrastive_weight": contrastive_weight,
            "deep_supervision_weight": deep_supervision_weight,
        }
        for name, weight in self.weights.items():
            _check(name, weight)
        if region_consistency and detach_region and not region_weight:
            raise InputError(
                "region_weight is 0 and detach_region true: nothing would train the region map; give it a weight, or "
                "set detach_region to false for the printed form."
            )
        self.total = Total()
        self.segmentation_loss = WeightedCrossEntropyDiceLoss(weighted_classes)
        self.expert_loss = ExpertSupervisionLoss(WeightedCrossEntropyDiceLoss(weighted_classes, batch=False))
        self.modality_loss = ModalityExpertConsistencyLoss(include_background)
        self.region_loss = RegionExpertConsistencyLoss(detach_region, include_background)
        self.foreground_loss = RegionSupervisionLoss()
        self.contrastive_loss = contrastive_loss
        self.completion_loss = completion_loss
        self.fused_loss = fused_loss
        self.uncertainties = uncertainties
        self.register_buffer("consistency_weight", torch.zeros(()))
        self.register_buffer("fused_weight", torch.zeros(()))
        self.set_consistency_weight(consistency_weight)
        self.set_fused_weight(fused_weight)

    def set_consistency_weight(self, value: float) -> None:
        """Set eta, at least zero and finite."""
        _check("consistency_weight", value)
        self.consistency_weight.fill_(value)

    def set_fused_weight(self, value: float) -> None:
        """Set w_f, at least zero and finite."""
        _check("fused_weight", value)
        self.fused_weight.fill_(value)

    def forward(self, prediction: Prediction, target: Mapping[str, Tensor]) -> Tensor:
        """Return the loss, a scalar, computed in float32 under autocast as well.

        Args:
            prediction: of `CLoE`, `RFNet`, `DCSeg` or a network without experts, in training.
            target: "label" (B, 1, *spatial), and "image" (B, M, *spatial) if images are reconstructed.
        """
        return self.total(self.terms(prediction, target))

    def terms(self, prediction: Prediction, target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the value of the loss, `total`, and its parts for the log, all scalars.

        - Not weighted: `fused`, `experts` (sum over experts), `modality_consistency`, `region_consistency`, `region`,
          `deep_supervision` (sum over levels), `contrastive` and its parts, the parts of `completion`.
        - Weighted: `completion`.
        - Weights that change during the training: `fused_weight`, `consistency_weight`.
        - `region_inside` and `region_outside`: mean of the region map inside and outside of the foreground.
        - `weight_<m>`: mean weight of modality m where it is available; NaN if it is nowhere.
        - What `fused_loss` and `uncertainties` log.
        """
        terms = self._parts(prediction, target)
        terms |= {"fused_weight": self.fused_weight.clone(), "consistency_weight": self.consistency_weight.clone()}
        if "region" in prediction:
            terms |= region_means(prediction["region"], target["label"])
        if "weights" in prediction:
            weights, available = prediction["weights"].detach(), prediction["available"]
            means = (weights * available).sum(dim=0) / available.sum(dim=0)
            terms |= {f"weight_{number}": mean for number, mean in enumerate(means)}
        return terms

    def _parts(self, prediction: Prediction, target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the total and its parts, not weighted."""
        label, weights = target["label"].as_subclass(Tensor), self.weights
        with torch.autocast(label.device.type, enabled=False):
            parts = self._fused(prediction["pred"], label)
            total = self.fused_weight * parts["fused"]
            if weights["expert_weight"]:
                agreement = self._agreement(prediction)
                experts = prediction["experts"]
                mask = prediction["decoded" if "decoded" in prediction else "present"]
                parts |= {"experts": self.expert_loss(experts, label, mask), **agreement}
                consistency = sum(weights[name] * value for name, value in agreement.items())
                total = total + weights["expert_weight"] * (parts["experts"] + self.consistency_weight * consistency)
            if weights["region_weight"]:
                parts["region"] = self.foreground_loss(prediction["region"], label)
                total = total + weights["region_weight"] * parts["region"]
            if weights["deep_supervision_weight"]:
                maps = [probabilities_at_size(logits, label.shape[2:]) for logits in prediction["deep_supervision"]]
                parts["deep_supervision"] = torch.stack(
                    [self.segmentation_loss(logits, label) for logits in maps]
                ).sum()
                total = total + weights["deep_supervision_weight"] * parts["deep_supervision"]
            if self.contrastive_loss is not None and weights["contrastive_weight"]:
                parts |= self.contrastive_loss.terms(prediction, target)
                total = total + weights["contrastive_weight"] * parts["contrastive"]
            if self.completion_loss is not None:
                parts |= self.completion_loss.terms(prediction, target)
                total = total + parts["completion"]
            if self.uncertainties is not None:
                factors = {name: weights[f"{name}_weight"] for name in ("region", "deep_supervision", "contrastive")}
                factors |= {"fused": self.fused_weight, "experts": weights["expert_weight"]}
                total, learned = self.uncertainties(total, parts, factors)
                parts |= learned
        return {"total": total, **parts}

    def _fused(self, logits: Tensor, label: Tensor) -> dict[str, Tensor]:
        """Return L_seg of the fusion; with fuzzy labels also its parts."""
        if self.fused_loss is None:
            return {"fused": self.segmentation_loss(logits, label)}
        terms = self.fused_loss.terms(logits, label)
        return {"fused": terms.pop("total"), **terms}

    def _agreement(self, prediction: Prediction) -> dict[str, Tensor]:
        """Return L_MEC and L_REC, without those of weight 0."""
        experts, available = prediction["experts"], prediction["available"]
        agreement = {}
        if self.weights["modality_consistency"]:
            agreement["modality_consistency"] = self.modality_loss(experts, available)
        if self.weights["region_consistency"]:
            agreement["region_consistency"] = self.region_loss(experts, available, prediction["region"])
        return agreement


def _check(name: str, weight: float) -> None:
    if not 0 <= weight < math.inf:
        raise InputError(f"{name} must be at least 0 and finite, got {weight}.")
