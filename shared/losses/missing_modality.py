"""The loss of networks for missing sequences: fused output, experts and region maps, with fuzzy labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import InputError
from .pareto_fuzzy import ParetoFuzzyLoss

__all__ = ["MissingModalityLoss"]

BRANCHES = ("fused", "experts", "regions")


class MissingModalityLoss(nn.Module):
    r"""Sum of the same loss on the fused output, on every expert and on every region map.

    .. math:: L = w_f L(p, y) + w_e \sum_m L(p_m, y) + w_r \sum_l L(r_l, y)

    as in the codes of RFNet (ICCV 2021) and mmFormer (MICCAI 2022), all weights 1. Experts count in the samples that
    have their sequence, also where `keep` hides it from the fusion; maps of lower resolution are brought to the label's
    size after the softmax (trilinear, corners aligned). The fuzzy loss of "Pareto-Guided Optimization for
    Uncertainty-Aware Medical Image Segmentation" (2026, Eq. 9) acts on the fused output, with the paper; on the others,
    its future work, where `fuzzy_branches` names them.

    Args:
        loss: main and fuzzy loss; branches without fuzzy labels get its main loss alone.
        fuzzy_branches: which of "fused", "experts", "regions" get the fuzzy loss.
        expert_weight: w_e; with 0 the prediction needs no "experts".
        region_weight: w_r; with 0 the prediction needs no "regions".
        fused_weight: w_f, until `set_fused_weight` changes it (RFNet: 0 in the first epochs).
    """

    def __init__(
        self,
        loss: ParetoFuzzyLoss,
        fuzzy_branches: Sequence[str] = ("fused",),
        expert_weight: float = 1.0,
        region_weight: float = 1.0,
        fused_weight: float = 1.0,
    ) -> None:
        super().__init__()
        unknown = set(fuzzy_branches) - set(BRANCHES)
        if isinstance(fuzzy_branches, str) or unknown:
            raise InputError(f"fuzzy_branches: choose from {list(BRANCHES)}, not {fuzzy_branches}.")
        for name, weight in (("expert_weight", expert_weight), ("region_weight", region_weight)):
            if not weight >= 0:
                raise InputError(f"{name} must be at least 0, got {weight}.")
        self.loss = loss
        self.fuzzy_branches = tuple(fuzzy_branches)
        self.expert_weight = expert_weight
        self.region_weight = region_weight
        self.register_buffer("fused_weight", torch.zeros(()))
        self.set_fused_weight(fused_weight)

    def set_fuzzy_weight(self, value: float) -> None:
        """Set lambda of Eq. 9, finite and at least zero."""
        self.loss.set_fuzzy_weight(value)

    def set_fused_weight(self, value: float) -> None:
        """Set w_f, at least zero."""
        if not value >= 0:
            raise ValueError(f"fused_weight must be at least 0, got {value}.")
        self.fused_weight.fill_(value)

    def forward(self, prediction: Mapping[str, Tensor | Sequence[Tensor]], target: Mapping[str, Tensor]) -> Tensor:
        """Return the loss, a scalar, computed in float32 under autocast as well.

        Args:
            prediction: "pred" (B, C, *spatial), "experts" (B, M, C, *spatial), "present" (B, M), "regions", a list of
                (B, C, *spatial / stride); all logits.
            target: `label` (B, 1, *spatial) and `memberships` (B, C, *spatial).
        """
        return self._total(self._branch("fused", prediction["pred"], target), *self._auxiliary(prediction, target))

    def terms(
        self, prediction: Mapping[str, Tensor | Sequence[Tensor]], target: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Return those of the fused output's loss, `fused`, `experts`, `regions`, and the weighted sum `total`."""
        fused = self._branch("fused", prediction["pred"], target)
        experts, regions = self._auxiliary(prediction, target)
        return {
            **self.loss.terms(prediction["pred"], target),
            "total": self._total(fused, experts, regions),
            "fused": fused,
            "experts": experts,
            "regions": regions,
        }

    def _total(self, fused: Tensor, experts: Tensor, regions: Tensor) -> Tensor:
        return self.fused_weight * fused + self.expert_weight * experts + self.region_weight * regions

    def _auxiliary(
        self, prediction: Mapping[str, Tensor | Sequence[Tensor]], target: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return the sums over experts and over region maps; 0 for what has no weight."""
        experts = regions = prediction["pred"].new_zeros(())
        if self.expert_weight:
            for expert, present in zip(prediction["experts"].unbind(1), prediction["present"].unbind(1), strict=True):
                rows = present.nonzero().flatten()
                if len(rows):
                    of_rows = {key: value[rows] for key, value in target.items()}
                    experts = experts + self._branch("experts", expert[rows], of_rows)
        if self.region_weight:
            size = target["label"].shape[2:]
            for region_map in prediction["regions"]:
                regions = regions + self._branch("regions", _to_size(region_map, size), target)
        return experts, regions

    def _branch(self, name: str, logits: Tensor, target: Mapping[str, Tensor]) -> Tensor:
        if name in self.fuzzy_branches:
            return self.loss(logits, target)
        return self.loss.main(logits, target)


def _to_size(logits: Tensor, size: Sequence[int]) -> Tensor:
    """Enlarge probabilities, and return their logarithms."""
    if logits.shape[2:] == size:
        return logits
    with torch.autocast(logits.device.type, enabled=False):
        p = functional.interpolate(logits.float().softmax(dim=1), size, mode="trilinear", align_corners=True)
        return p.clamp(min=torch.finfo(p.dtype).tiny).log()
