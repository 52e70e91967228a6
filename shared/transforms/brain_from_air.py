"""Find the brain as everything that is not air; refuse an image whose air has no clear value."""

from __future__ import annotations

import logging
from collections.abc import Collection
from itertools import product

import numpy as np
import torch
from monai.data import MetaTensor
from monai.utils import convert_to_tensor
from torch import Tensor

from ..errors import InputError
from .brain_checks import BRAIN_CHECKS
from .skull_shell import Shells, check_skull
from .source_file import source_of_channel

__all__ = ["brain_from_air", "check_volume"]

CORNER_SIDE = 0.1  # part of each side of the box; at least one voxel
CORNER_NOISE = 0.001  # share of a corner's voxels that may differ from air
ISOLATED = 0.01  # share of a brain's voxels that may have air on all six sides
MOST_ML = 2500.0  # no brain is larger: 13 patients of BraTS 2018 have 1084 to 1741 ml, a whole head has 3500 and more
REMEDY = (
    'remove the skull and set the air to 0, or give a brain mask ("brain": FILE in the datalist, or a pattern for '
    '"brain" in the layout).'
)


def brain_from_air(image: Tensor, checks: Collection[str] = BRAIN_CHECKS) -> Tensor:
    """Return the voxels that differ from air in any present modality.

    Air is 0, or the one value that all eight corners of the box share, which is then logged. A brain that reaches the
    faces of its box, or up to half of its corners, is accepted.

    Args:
        image: (M, *spatial); an absent modality is NaN. Volume and skull are checked where there is an affine.
        checks: which of "air", "volume" and "skull" to make. Without "air" it is 0, unless all corners have one value.

    Returns:
        (1, *spatial), boolean.

    Raises:
        InputError: most corners hold something else (noise, a head that fills the box), single voxels are all over the
            air (noise, most of which was rounded to 0), the brain would be larger than any, or it has a dark shell
            below a bright one (a skull that was not removed).
    """
    values = convert_to_tensor(image, track_meta=False)
    brain = torch.zeros_like(values[:1], dtype=torch.bool)
    shells: tuple[Tensor, Shells] | None = None  # of the last modality: most have the same air
    for channel, voxels in enumerate(values):
        if voxels.isnan().any():
            continue
        source = source_of_channel(image, channel)
        not_air = voxels != _air(voxels, source, "air" in checks)
        if "air" in checks:
            _check_isolated(not_air, source)
        if "volume" in checks:
            check_volume(not_air, image, source)
        if "skull" in checks and isinstance(image, MetaTensor):
            if shells is None or not torch.equal(shells[0], not_air):
                shells = not_air, Shells(not_air.cpu().numpy(), np.asarray(image.affine, dtype=float))
            check_skull(shells[1], voxels, source)
        brain |= not_air
    return brain


def _air(voxels: Tensor, source: str, check: bool) -> float:
    """Return the value of air in one modality, from the corners of the box."""
    corners = _corners(voxels)
    lowest, highest = min(float(corner.min()) for corner in corners), max(float(corner.max()) for corner in corners)
    if lowest == highest:
        if lowest != 0:
            logging.getLogger(__name__).warning("%s: air is %g instead of 0; this value counts as air.", source, lowest)
        return lowest
    shares = torch.tensor([float((corner != 0).double().mean()) for corner in corners])
    filled = int((shares > CORNER_NOISE).sum())
    if check and 2 * filled > len(corners):
        raise InputError(
            f"{source}: {float((voxels != 0).double().mean()):.0%} of the box differ from 0, also {filled} of its "
            f"{len(corners)} corners ({float(shares.mean()):.1%} of their voxels), where air is expected; {REMEDY}"
        )
    return 0.0


def _check_isolated(not_air: Tensor, source: str) -> None:
    """Refuse single voxels all over the air; a brain hangs together."""
    not_air = _tight(not_air)
    touches = torch.zeros_like(not_air)
    for axis, size in enumerate(not_air.shape):
        lower, upper = (slice(None),) * axis + (slice(None, size - 1),), (slice(None),) * axis + (slice(1, None),)
        touches[lower] |= not_air[upper]
        touches[upper] |= not_air[lower]
    isolated = float((not_air & ~touches).sum()) / max(1, int(not_air.sum()))
    if isolated > ISOLATED:
        raise InputError(
            f"{source}: {isolated:.1%} of what differs from 0 is single voxels, noise in the air; {REMEDY}"
        )


def check_volume(brain: Tensor, image: Tensor, source: str, remedy: str = REMEDY) -> None:
    """Refuse a brain (*spatial) that is larger than any; its voxels' size is that of `image`, if this has an affine."""
    if not isinstance(image, MetaTensor):
        return
    millilitres = float(brain.sum()) * abs(float(torch.linalg.det(image.affine[:3, :3].double()))) / 1000
    if millilitres > MOST_ML:
        raise InputError(
            f"{source}: {millilitres:.0f} ml ({float(brain.double().mean()):.0%} of the box) are not air, but no "
            f"brain is larger than {MOST_ML:.0f} ml; {remedy}"
        )


def _tight(mask: Tensor) -> Tensor:
    """Crop a mask (*spatial) to its bounding box."""
    for axis in range(mask.ndim):
        others = [other for other in range(mask.ndim) if other != axis]
        places = mask.any(dim=others).nonzero()
        if len(places):
            mask = mask.narrow(axis, int(places[0]), int(places[-1] - places[0]) + 1)
    return mask


def _corners(voxels: Tensor) -> list[Tensor]:
    """Return the eight corner blocks of a box (x, y, z)."""
    sides = [max(1, int(size * CORNER_SIDE)) for size in voxels.shape]
    ends = [(slice(None, side), slice(-side, None)) for side in sides]
    return [voxels[block] for block in product(*ends)]
