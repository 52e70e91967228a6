"""Turn a class label into intuitionistic fuzzy memberships."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends, convert_to_dst_type
from torch import Tensor

from .keep_argmax import keep_argmax
from .onehot_label import onehot_label

__all__ = ["FuzzyMembership", "FuzzyMembershipd", "fuzzy_membership"]


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
    """Dictionary version of `FuzzyMembership`: write the memberships of the label to an item of their own.

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
