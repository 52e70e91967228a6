"""Turn a class label into intuitionistic fuzzy memberships."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends, convert_to_dst_type, convert_to_tensor
from torch import Tensor

from ..errors import InputError

__all__ = [
    "LABELLED_AT_LEAST",
    "FuzzyMembership",
    "FuzzyMembershipd",
    "flipped_share",
    "fuzzy_hesitation",
    "fuzzy_membership",
    "fuzzy_non_membership",
    "keep_argmax",
    "onehot_label",
]

LABELLED_AT_LEAST = 0.5 + 1e-3  # a membership above one half is greater than all others together


def fuzzy_membership(onehot: Tensor, radius: int = 1) -> Tensor:
    r"""Share of a voxel's neighbours that belong to each class.

    .. math:: \mu_c(x) = \frac{1}{|N(x)|} \sum_{x' \in N(x)} \mathbb{1}[y(x') = c]

    Eq. 4 of "Pareto-Guided Optimization for Uncertainty-Aware Medical Image Segmentation" (2026) with the class index
    that Eq. 6 needs: as printed, Eq. 4 is the value of the voxel's own class only. N(x) is the cube of side 2r + 1
    without its centre; at the border of the image only the neighbours that exist count. So the memberships of a patch
    differ from those of the whole image in its outermost r voxels: crop with a margin of r, and cut it off afterwards.

    Args:
        onehot: (B, C, *spatial), zeros and ones, one class per voxel; any number of spatial axes.
        radius: r, in voxels.

    Returns:
        (B, C, *spatial) in [0, 1], float32, summing to one over C; exactly one-hot where all neighbours agree.
    """
    if not isinstance(radius, int) or radius < 1:
        raise ValueError(f"radius must be a whole number of voxels, at least 1, got {radius}.")
    if onehot.ndim < 3:
        raise ValueError(f"onehot must be (B, C, *spatial), got shape {tuple(onehot.shape)}.")
    if max(onehot.shape[2:]) < 2:
        raise ValueError(f"onehot holds images of one voxel, which has no neighbours: shape {tuple(onehot.shape)}.")
    cube = (2 * radius + 1) ** (onehot.ndim - 2)
    integer = torch.uint8 if cube <= 255 else torch.int16 if cube <= 32767 else torch.int32
    centre = onehot.as_subclass(Tensor).to(integer)
    if onehot.is_floating_point() and not torch.equal(centre.to(onehot.dtype), onehot.as_subclass(Tensor)):
        raise ValueError("onehot must hold zeros and ones; it holds other values: soften the label only once.")
    in_cube = centre
    for axis in range(2, onehot.ndim):
        in_cube = _sum_along(in_cube, axis, radius)
    neighbours = _count_neighbours(onehot.shape[2:], radius, onehot.device)
    return (in_cube - centre).to(torch.float32).div_(neighbours)


def _sum_along(counts: Tensor, axis: int, radius: int) -> Tensor:
    """Sum over the voxels at most `radius` away along one axis."""
    total, size = counts.clone(), counts.shape[axis]
    for step in range(1, min(radius, size - 1) + 1):
        total.narrow(axis, step, size - step).add_(counts.narrow(axis, 0, size - step))
        total.narrow(axis, 0, size - step).add_(counts.narrow(axis, step, size - step))
    return total


def _count_neighbours(shape: Sequence[int], radius: int, device: torch.device) -> Tensor:
    """Count the neighbours that every voxel of an image has, its borders considered."""
    in_cube = torch.ones((), device=device)
    for size in shape:
        position = torch.arange(size, device=device)
        in_range = (position + radius).clamp(max=size - 1) - (position - radius).clamp(min=0) + 1
        in_cube = in_cube.unsqueeze(-1) * in_range
    return in_cube - 1


def fuzzy_non_membership(memberships: Tensor, rho_2: float | Tensor) -> Tensor:
    """Degree to which a voxel does not belong to each class: nu = rho_2 (1 - mu), Eq. 5 of the paper cited above.

    Args:
        memberships: (B, C, *spatial) in [0, 1].
        rho_2: credibility of the fuzzy label, in [0, 1].
    """
    return _in_unit_interval(rho_2) * (1 - memberships)


def fuzzy_hesitation(memberships: Tensor, rho_2: float | Tensor) -> Tensor:
    """What neither belongs nor does not: pi = 1 - mu - nu = (1 - rho_2) (1 - mu), Eqs. 3 and 5 of the paper.

    The paper defines the hesitation, but no term of its loss uses it.

    Args:
        memberships: (B, C, *spatial) in [0, 1].
        rho_2: credibility of the fuzzy label, in [0, 1].
    """
    return (1 - _in_unit_interval(rho_2)) * (1 - memberships)


def _in_unit_interval(rho_2: float | Tensor) -> float | Tensor:
    if not 0 <= rho_2 <= 1:
        raise ValueError(f"rho_2 must be in [0, 1], got {float(rho_2)}.")
    return rho_2


def _check_same_shape(onehot: Tensor, memberships: Tensor) -> None:
    if onehot.shape != memberships.shape:
        raise ValueError(f"shapes differ: onehot {tuple(onehot.shape)}, memberships {tuple(memberships.shape)}")


def keep_argmax(onehot: Tensor, memberships: Tensor) -> Tensor:
    """Raise the labelled class to `LABELLED_AT_LEAST`, so that thin structures are not voted away; not in the paper.

    In a structure of one or two voxels' width most neighbours belong to another class, and the memberships point to it.

    Args:
        onehot: (B, C, *spatial), zeros and ones, one class per voxel.
        memberships: `fuzzy_membership` of it.

    Returns:
        Memberships that still sum to one: the other classes keep their proportions. Voxels whose labelled class is
        above the bound already are left as they are.
    """
    _check_same_shape(onehot, memberships)
    labelled = (memberships * onehot).sum(dim=1, keepdim=True)
    others = memberships * ((1 - LABELLED_AT_LEAST) / (1 - labelled))
    raised = others.masked_fill(onehot.bool(), LABELLED_AT_LEAST)
    return memberships.where(labelled >= LABELLED_AT_LEAST, raised)


def flipped_share(onehot: Tensor, memberships: Tensor) -> Tensor:
    """Share of each class's voxels in which another class has the greater membership.

    Args:
        onehot: (B, C, *spatial), zeros and ones, one class per voxel.
        memberships: (B, C, *spatial).

    Returns:
        (C,), over all voxels of the batch; NaN for a class that has none.
    """
    _check_same_shape(onehot, memberships)
    labelled = (memberships * onehot).sum(dim=1, keepdim=True)
    flipped = memberships.amax(dim=1, keepdim=True) > labelled
    belongs = onehot.bool().transpose(0, 1).flatten(1)
    flipped = flipped.transpose(0, 1).flatten(1)
    return (belongs & flipped).sum(dim=1) / belongs.sum(dim=1)


def onehot_label(label: Tensor, num_classes: int) -> Tensor:
    """Write a class label as one channel per class, and refuse values that are no class.

    MONAI's `one_hot` ends with an index error on such a value, and takes fractions for whole numbers.

    Args:
        label: (B, 1, *spatial), values 0 to C - 1 in any type.
        num_classes: C.

    Returns:
        (B, C, *spatial), boolean.
    """
    if label.ndim < 3 or label.shape[1] != 1:
        raise ValueError(f"label must have one channel of class values, got shape {tuple(label.shape)}, batch first.")
    values = convert_to_tensor(label, track_meta=False)
    onehot = torch.empty((len(values), num_classes, *values.shape[2:]), dtype=torch.bool, device=values.device)
    for value in range(num_classes):
        torch.eq(values[:, 0], value, out=onehot[:, value])
    if int(onehot.count_nonzero()) != values.numel():
        unknown = dict.fromkeys(f"{value:g}" for value in values.unique().tolist() if value not in range(num_classes))
        unknown = ", ".join(list(unknown)[:5])
        file = label.meta.get("filename_or_obj") if isinstance(label, MetaTensor) else None
        raise InputError(
            f"{file if isinstance(file, str) else 'label'}: values {unknown} are outside the classes "
            f"0 to {num_classes - 1}; map the label to classes first, or correct num_classes."
        )
    return onehot


class FuzzyMembership(Transform):
    """`fuzzy_membership` of a class label.

    Args:
        num_classes: C, background included.
        radius: of the neighbourhood, in voxels.
        keep_argmax: apply `keep_argmax`; the published labels do without it.
    """

    backend = [TransformBackends.TORCH]

    def __init__(self, num_classes: int, radius: int = 1, keep_argmax: bool = False) -> None:
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2 (background included), got {num_classes}.")
        if not isinstance(radius, int) or radius < 1:
            raise ValueError(f"radius must be a whole number of voxels, at least 1, got {radius}.")
        self.num_classes = num_classes
        self.radius = radius
        self.keep_argmax = keep_argmax

    def __call__(self, label: Tensor) -> Tensor:
        """Map a class label (1, *spatial) to memberships (C, *spatial), float32, on the label's grid."""
        onehot = onehot_label(label[None], self.num_classes)
        memberships = fuzzy_membership(onehot, self.radius)
        if self.keep_argmax:
            memberships = keep_argmax(onehot, memberships)
        return convert_to_dst_type(memberships.squeeze(0), label, dtype=torch.float32)[0]


class FuzzyMembershipd(MapTransform):
    """Dictionary version of `FuzzyMembership`: put the memberships beside the label.

    Args:
        keys: the label; one key, since there is one item to write.
        num_classes: see `FuzzyMembership`.
        radius: see `FuzzyMembership`.
        keep_argmax: see `FuzzyMembership`.
        memberships_key: item to write.
        allow_missing_keys: do nothing where there is no label, instead of raising.
    """

    backend = FuzzyMembership.backend

    def __init__(
        self,
        keys: KeysCollection,
        num_classes: int,
        radius: int = 1,
        keep_argmax: bool = False,
        memberships_key: Hashable = "memberships",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if len(self.keys) != 1:
            raise ValueError(f"keys must name one label, got {list(self.keys)}.")
        self.memberships_key = memberships_key
        self.membership = FuzzyMembership(num_classes, radius, keep_argmax)

    def __call__(self, data: Mapping[Hashable, Tensor]) -> dict[Hashable, Tensor]:
        fuzzy = dict(data)
        for key in self.key_iterator(fuzzy):
            fuzzy[self.memberships_key] = self.membership(fuzzy[key])
        return fuzzy
