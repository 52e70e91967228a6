"""The whole numbers that a label map holds, also where its file stores them with a scale factor."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import nibabel
import torch
from torch import Tensor

from ..errors import InputError
from .image_loader import image_loader
from .small_suffix import is_nifti, with_small_suffix

__all__ = ["round_values", "values_of_files", "values_of_label"]

ROUNDING = 1e-2  # labels stored as float numbers come back as 2.9999998 or 0.9999
LARGEST_ROUNDING = 0.1  # no scale factor, however coarse, makes an image a label map


def round_values(values: Tensor, file: str) -> Tensor:
    """Round the values of a label map (1, *spatial) that was read from `file`.

    A value may be off a whole number by 0.01, or by half a step of the file's scale factor (scl_slope of NIfTI), at
    most 0.1.

    Raises:
        InputError: a value that is further off, NaN or infinite.
    """
    if not values.is_floating_point():
        return values
    rounded = values.round()
    off = (values - rounded).abs()
    if not (off <= ROUNDING).all():  # also catches NaN
        step = _scale_factor(Path(file))
        fractions = values[~(off <= max(ROUNDING, min(step / 2 + 1e-6, LARGEST_ROUNDING)))]
        if len(fractions):
            stored = f" (stored with scale factor {step:.4g})" if step else ""
            raise InputError(
                f"{file}: not a label map, it holds values that are not whole numbers, such as "
                f"{round(float(fractions[0]), 4)}{stored}; give the label map, not an image or a probability."
            )
    return rounded


def values_of_label(rounded: Tensor) -> set[int]:
    """Return the different values of a rounded label map."""
    others = rounded[rounded != 0].unique()  # sorting all voxels takes a second
    return {int(value) for value in others} | ({0} if (rounded == 0).any() else set())


def values_of_files(paths: Iterable[str]) -> set[int]:
    """Return the different values in label maps; files that cannot be read as one are passed over."""
    paths, found = list(paths), set()
    if paths:
        logging.getLogger(__name__).info("Reading %d more labels to see which values they hold.", len(paths))
    load = image_loader()
    for path in paths:
        try:
            with with_small_suffix(Path(path).expanduser()) as readable:
                found |= values_of_label(round_values(torch.as_tensor(load(readable).as_tensor()), path))
        except Exception:  # what is wrong with that file is said when it is its turn
            logging.getLogger(__name__).warning("%s: cannot be read as a label map.", path)
    return found


def _scale_factor(path: Path) -> float:
    """Return the step between stored values, 0 where the file has none; the image's metadata lose it."""
    if not (is_nifti(path) and path.is_file()):
        return 0.0
    with with_small_suffix(path) as readable:
        slope = nibabel.load(readable).dataobj.slope
    return abs(float(slope)) if slope is not None and abs(slope) < 1 else 0.0
