"""Any segmentation loss plus the weighted fuzzy auxiliary loss (PGO, Eq. 9)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..transforms.fuzzy_membership import fuzzy_membership
from ..transforms.keep_argmax import flipped_share, keep_argmax
from ..transforms.onehot_label import onehot_label
from .fuzzy_auxiliary import FuzzyAuxiliaryLoss
from .fuzzy_weight import WithFuzzyWeight
from .loss_terms import Total
from .region_curriculum import RegionCurriculum

__all__ = ["ParetoFuzzyLoss"]


class ParetoFuzzyLoss(WithFuzzyWeight):
    r"""Pareto-consistent loss: main loss on the label, fuzzy loss on the memberships.

    .. math:: L(\theta, t) = L_{base}(\theta) + \lambda(t) \, L_{fuzzy}(\theta, \rho_1, \rho_2)

    Eq. 9 of "Pareto-Guided Optimization for Uncertainty-Aware Medical Image Segmentation" (2026), where the main loss
    is Dice; its experiments keep each baseline's own. lambda(t) is set from outside, by MONAI's `ParamSchedulerHandler`
    with `set_fuzzy_weight` and a calculator of `shared.handlers`; it is in the state dict, as is rho.
    With lambda = 0 the fuzzy loss is not computed, and the value is that of the main loss to the last bit.

    Args:
        base_loss: called with logits and label, e.g. MONAI's `DiceCELoss(to_onehot_y=True, softmax=True)`.
        fuzzy_loss: L_fuzzy.
        fuzzy_weight: lambda, until it is set.
        radius: of the neighbourhood, for memberships of a bare label.
        keep_argmax: for memberships of a bare label, see `shared.transforms.keep_argmax`.
        curriculum: weighs the voxels in both losses; `base_loss` then takes the weights as well, as
            `VoxelWeightedDiceCELoss` does. None: all count alike.
    """

    def __init__(
        self,
        base_loss: nn.Module,
        fuzzy_loss: FuzzyAuxiliaryLoss,
        fuzzy_weight: float = 1.0,
        radius: int = 1,
        keep_argmax: bool = False,
        curriculum: RegionCurriculum | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(radius, int) or radius < 1:
            raise ValueError(f"radius must be a whole number of voxels, at least 1, got {radius}.")
        self.total = Total()
        self.base_loss = base_loss
        self.fuzzy_loss = fuzzy_loss
        self.radius = radius
        self.keep_argmax = keep_argmax
        self.curriculum = curriculum
        self.add_fuzzy_weight(fuzzy_weight)

    def forward(self, logits: Tensor, target: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return the loss, a scalar, computed in float32 under autocast as well.

        Args:
            logits: (B, C, *spatial).
            target: label (B, 1, *spatial), values 0 to C - 1; its memberships are then computed here, and at the
                patch's border from the neighbours inside it. Or a dictionary of `label` and `memberships`
                (B, C, *spatial), made before the patch was cut out.
        """
        return self.total(self.terms_of_forward(logits, target))

    def main(self, logits: Tensor, target: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return the main loss alone, a scalar, under the curriculum's weights where there is one."""
        with torch.autocast(logits.device.type, enabled=False):
            logits = _at_least_float32(logits)
            if self.curriculum is None:
                return self.base_loss(logits, _label(target))
            weights = self._voxel_weights(logits, target, self._memberships(target, logits.shape[1]))
            return self.base_loss(logits, _label(target), *weights)

    def terms_of_forward(self, logits: Tensor, target: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return `terms`, without those of the fuzzy loss where lambda is 0."""
        return self.terms(logits, target) if self.fuzzy_weight else self.terms_of_main(logits, target)

    def terms_of_main(self, logits: Tensor, target: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return `total` and `base`, both the main loss alone."""
        base = self.main(logits, target)
        return {"total": base, "base": base}

    def terms(self, logits: Tensor, target: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what the loss is made of, as scalars for logging.

        `total` is the value of the loss, `base`, `fuzzy` and `fuzzy_weight` its parts, `soft_cross_entropy`,
        `non_membership`, `rho_1` and `rho_2` those of `fuzzy`; `boundary_share` is the share of voxels that belong to
        no class entirely. `non_membership` is not weighted by rho_2, whose fall alone makes `fuzzy` fall.
        `flipped_share_<c>` is the share of class c's voxels whose memberships point to another class (NaN without any).
        With a curriculum: `admitted_uncertainty`, and `voxel_weight`, the mean weight.
        """
        with torch.autocast(logits.device.type, enabled=False):
            logits = _at_least_float32(logits)
            memberships = self._memberships(target, logits.shape[1])  # first, since it names a label's unknown values
            weights = self._voxel_weights(logits, target, memberships)
            base = self.base_loss(logits, _label(target), *weights)
            fuzzy_terms = self.fuzzy_loss.terms(logits, memberships, *weights)
            flipped = flipped_share(onehot_label(_label(target), logits.shape[1]), memberships)
            return {
                "total": base + self.fuzzy_weight * fuzzy_terms["fuzzy"],
                "base": base,
                **fuzzy_terms,
                "fuzzy_weight": self.fuzzy_weight.clone(),
                "boundary_share": (memberships.amax(dim=1) < 1).float().mean(),
                **{f"flipped_share_{number}": share for number, share in enumerate(flipped)},
                **self._curriculum_terms(weights),
            }

    def _voxel_weights(
        self, logits: Tensor, target: Tensor | Mapping[str, Tensor], memberships: Tensor
    ) -> tuple[()] | tuple[Tensor]:
        """Return the curriculum's weights, or nothing."""
        if self.curriculum is None:
            return ()
        return (self.curriculum(logits, onehot_label(_label(target), logits.shape[1]), memberships),)

    def _curriculum_terms(self, weights: tuple[()] | tuple[Tensor]) -> dict[str, Tensor]:
        if self.curriculum is None:
            return {}
        return {"admitted_uncertainty": self.curriculum.admitted_uncertainty.clone(), "voxel_weight": weights[0].mean()}

    def _memberships(self, target: Tensor | Mapping[str, Tensor], num_classes: int) -> Tensor:
        if isinstance(target, Mapping):
            return target["memberships"].as_subclass(Tensor)
        onehot = onehot_label(target, num_classes)
        memberships = fuzzy_membership(onehot, self.radius)
        return keep_argmax(onehot, memberships) if self.keep_argmax else memberships


def _label(target: Tensor | Mapping[str, Tensor]) -> Tensor:
    return (target["label"] if isinstance(target, Mapping) else target).as_subclass(Tensor)


def _at_least_float32(logits: Tensor) -> Tensor:
    return logits.as_subclass(Tensor).to(torch.promote_types(logits.dtype, torch.float32))
