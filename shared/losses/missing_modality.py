"""The loss of networks for missing modalities: fused output, experts and deep supervision, with fuzzy labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ..errors import InputError
from .loss_terms import CompletionLoss, Total
from .pareto_fuzzy import ParetoFuzzyLoss
from .probabilities_at_size import probabilities_at_size

__all__ = ["MissingModalityLoss"]

BRANCHES = ("fused", "experts", "deep_supervision")
Prediction = Mapping[str, Tensor | Sequence[Tensor]]


class MissingModalityLoss(nn.Module):
    r"""Sum of the same loss on the fused output, on every expert and on the outputs of lower levels (deep supervision).

    .. math:: L = w_f L(p, y) + w_e \sum_m L(p_m, y) + w_d \sum_l L(d_l, y)

    as in the codes of RFNet (ICCV 2021) and mmFormer (MICCAI 2022), all weights 1. Experts count in the samples that
    have their modality, also where `keep` hides it from the fusion; outputs of lower resolution are brought to the
    label's size after the softmax (trilinear, corners aligned). The fuzzy loss of "Pareto-Guided Optimization for
    Uncertainty-Aware Medical Image Segmentation" (2026, Eq. 9) acts on the fused output, with the paper; on the others,
    its future work, where `fuzzy_branches` names them.

    Args:
        loss: main and fuzzy loss; branches without fuzzy labels get its main loss alone.
        fuzzy_branches: which of "fused", "experts", "deep_supervision" get the fuzzy loss.
        expert_weight: w_e; with 0 the prediction needs no "experts".
        deep_supervision_weight: w_d; with 0 the prediction needs no "deep_supervision".
        fused_weight: w_f, until `set_fused_weight` changes it (RFNet: 0 in the first epochs).
        completion_loss: of a network that also restores the modalities, or (M3AE) sees two subsets of them; added with
            the weights that it has.
    """

    def __init__(
        self,
        loss: ParetoFuzzyLoss,
        fuzzy_branches: Sequence[str] = ("fused",),
        expert_weight: float = 1.0,
        deep_supervision_weight: float = 1.0,
        fused_weight: float = 1.0,
        completion_loss: CompletionLoss | None = None,
    ) -> None:
        super().__init__()
        if isinstance(fuzzy_branches, str) or set(fuzzy_branches) - set(BRANCHES):
            raise InputError(f"fuzzy_branches: give a list of {', '.join(BRANCHES)}, not {fuzzy_branches!r}.")
        for name, weight in (("expert_weight", expert_weight), ("deep_supervision_weight", deep_supervision_weight)):
            if not 0 <= weight < math.inf:
                raise InputError(f"{name} must be at least 0 and finite, got {weight}.")
        self.total = Total()
        self.loss = loss
        self.fuzzy_branches = tuple(fuzzy_branches)
        self.expert_weight = expert_weight
        self.deep_supervision_weight = deep_supervision_weight
        self.completion_loss = completion_loss
        self.register_buffer("fused_weight", torch.zeros(()))
        self.set_fused_weight(fused_weight)

    def set_fuzzy_weight(self, value: float) -> None:
        """Set lambda of Eq. 9, finite and at least zero."""
        self.loss.set_fuzzy_weight(value)

    def set_fused_weight(self, value: float) -> None:
        """Set w_f, at least zero and finite."""
        if not 0 <= value < math.inf:
            raise ValueError(f"fused_weight must be at least 0 and finite, got {value}.")
        self.fused_weight.fill_(value)

    def forward(self, prediction: Prediction, target: Mapping[str, Tensor]) -> Tensor:
        """Return the loss, a scalar, computed in float32 under autocast as well.

        Args:
            prediction: "pred" (B, C, *spatial), "experts" (B, M, C, *spatial), "present" (B, M), "deep_supervision", a
                list of (B, C, *spatial / stride), all logits; and what `completion_loss` reads.
            target: "label" (B, 1, *spatial) and "memberships" (B, C, *spatial); and what `completion_loss` reads.
        """
        fuzzy = "fused" in self.fuzzy_branches
        of_fused = (self.loss.terms_of_forward if fuzzy else self.loss.terms_of_main)(prediction["pred"], target)
        return self.total(self._all_terms(of_fused, of_fused["total"], self._others(prediction, target)))

    def terms(self, prediction: Prediction, target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return those of the fused output's loss, and the sums over each of the branches, as scalars for logging.

        `total` is the value of the loss, `fused`, `experts` and `deep_supervision` the branches, not weighted (those
        without weight are not computed), `fused_weight` the first one's; and what `completion_loss` is made of.
        """
        of_fused = self.loss.terms(prediction["pred"], target)
        fused = of_fused["total" if "fused" in self.fuzzy_branches else "base"]
        return self._all_terms(of_fused, fused, self._others(prediction, target))

    def _all_terms(
        self, of_fused: Mapping[str, Tensor], fused: Tensor, others: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        return {
            **of_fused,
            "total": self._total(fused, others),
            "fused": fused,
            "fused_weight": self.fused_weight.clone(),
            **others,
        }

    def _total(self, fused: Tensor, others: Mapping[str, Tensor]) -> Tensor:
        total = self.fused_weight * fused
        if "experts" in others:
            total = total + self.expert_weight * others["experts"]
        if "deep_supervision" in others:
            total = total + self.deep_supervision_weight * others["deep_supervision"]
        return total + others["completion"] if "completion" in others else total

    def _others(self, prediction: Prediction, target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the sums over experts and over lower levels, and the loss of completion, if they count."""
        others = {}
        if self.expert_weight:
            others["experts"] = self._experts(prediction["experts"], prediction["present"], target)
        if self.deep_supervision_weight:
            size = target["label"].shape[2:]
            levels = [probabilities_at_size(logits, size) for logits in prediction["deep_supervision"]]
            losses = [self._branch("deep_supervision", logits, target) for logits in levels]
            others["deep_supervision"] = torch.stack(losses).sum()
        if self.completion_loss is not None:
            others |= self.completion_loss.terms(prediction, target)
        return others

    def _experts(self, experts: Tensor, present: Tensor, target: Mapping[str, Tensor]) -> Tensor:
        losses = []
        for expert, in_sample in zip(experts.unbind(1), present.unbind(1), strict=True):
            if in_sample.all():
                losses.append(self._branch("experts", expert, target))
            elif in_sample.any():
                rows = in_sample.nonzero().flatten()
                of_rows = {key: target[key][rows] for key in ("label", "memberships")}
                losses.append(self._branch("experts", expert[rows], of_rows))
        return torch.stack(losses).sum()

    def _branch(self, name: str, logits: Tensor, target: Mapping[str, Tensor]) -> Tensor:
        return self.loss(logits, target) if name in self.fuzzy_branches else self.loss.main(logits, target)
