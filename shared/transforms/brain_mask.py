"""Which voxels belong to the brain, before and after normalisation."""

from __future__ import annotations

from collections.abc import Collection

from monai.utils import convert_to_tensor
from torch import Tensor

from ..errors import InputError
from .brain_checks import BRAIN_CHECKS
from .brain_from_air import brain_from_air, check_volume
from .source_file import source_file

__all__ = ["brain_of_normalized", "in_brain"]


def in_brain(image: Tensor, brain: Tensor | None = None, checks: Collection[str] = BRAIN_CHECKS) -> Tensor:
    """Say which voxels belong to the brain.

    Args:
        image: (M, *spatial); an absent modality is NaN.
        brain: mask (1, *spatial), above one half inside.
        checks: see `brain_from_air`; of a mask the volume alone is checked.

    Returns:
        (1, *spatial), boolean: the mask, else what differs from air (`brain_from_air`, which may refuse the image).
    """
    if brain is None:
        found = brain_from_air(image, checks)
        _refuse_empty(found, source_file(image, "image"))
        return found
    mask = convert_to_tensor(brain, track_meta=False)
    if mask.shape != (1, *image.shape[1:]):
        raise InputError(
            f"{source_file(brain, 'brain')}: the mask has shape {tuple(mask.shape)}, "
            f"but {(1, *image.shape[1:])} is needed for {source_file(image, 'the image')}."
        )
    found = mask > 0.5
    _refuse_empty(found, source_file(brain, "brain"))
    if "volume" in checks:
        check_volume(found[0], image, source_file(brain, "brain"), "give a mask that is 1 in the brain and 0 outside.")
    return found


def _refuse_empty(brain: Tensor, source: str) -> None:
    if not brain.any():
        raise InputError(f"{source}: the brain is empty, no voxel is inside; give an image or mask that is not 0.")


def brain_of_normalized(image: Tensor) -> Tensor:
    """Say which values are those of brain, for `CropForegroundd(select_fn=...)` after `NormalizeInBraind`.

    MONAI's default, values above 0, would lose all that is darker than the brain's mean.

    Args:
        image: (M, *spatial) with air at exactly 0 and absent modalities NaN.

    Returns:
        The same shape, boolean; False throughout an absent modality.
    """
    values = convert_to_tensor(image, track_meta=False)
    return (values != 0) & ~values.isnan()
