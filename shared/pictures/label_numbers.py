"""The whole numbers that a label map stores."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import label, maximum_filter, minimum_filter

from ..errors import InputError
from .picture_file import PictureFile

__all__ = ["is_flat", "label_numbers", "number_components", "shape_in_alpha"]

LOSSY = ("JPEG", "MPO")
NEAR = 32  # grey values that a lossy or smoothed black or white may be off
COLOUR_NOISE = 24  # of a grey JPEG
SOFT_SHARE = 0.2  # most of a JPEG that the soft border of a mask covers, and less than white


def label_numbers(picture: PictureFile, one_number: bool = False) -> np.ndarray:
    """Return (H, W), int64: the number of every pixel, 0 for none.

    Numbers count here, not colours: those of a palette are its indices, and 1-bit pictures hold 0 and 1. Alpha is the
    label, 0 or 255, if all else is the same everywhere. Of a TIFF with 0 for white those numbers count among which
    there is a 0. A soft border between black and white, as JPEG or a change of size leaves it, is cut in the middle;
    most of its numbers fill no square of 3 x 3 pixels.

    Args:
        picture: an opened file.
        one_number: no file of the data set holds a second number, so this is a mask; a palette of black and white alone
            is then read by its colours, as 0 and 255, since its indices are a matter of chance.

    Raises:
        InputError: colours, or numbers changed by JPEG.
    """
    numbers = _stored(picture, one_number)
    if numbers.max(initial=0) > 255:
        return numbers
    lossy = picture.format in LOSSY
    between = (numbers > NEAR) & (numbers < 255 - NEAR)
    if lossy:
        is_soft = (numbers >= 255 - NEAR).sum() > between.sum() and between.mean() <= SOFT_SHARE
    else:
        flat = np.unique(numbers[is_flat(numbers) & (numbers > 0)])
        is_soft = 255 in flat and 2 * len(flat) <= len(np.unique(numbers[numbers > 0]))
    if is_soft:
        return np.where(numbers > 127, 255, 0)
    if lossy and numbers.any():
        raise InputError(f"{picture.path}: JPEG changes the numbers of a label map; store it as PNG.")
    return numbers


def is_flat(values: np.ndarray) -> np.ndarray:
    """Return (H, W), boolean: where a pixel and its 8 neighbours have the same value."""
    return maximum_filter(values, 3) == minimum_filter(values, 3)


def shape_in_alpha(picture: PictureFile) -> np.ndarray | None:
    """Return (H, W), boolean: what is opaque, where the colours are the same everywhere and alpha is not, or is 0.

    Opaque is more than half of the highest alpha. None for all other pictures.
    """
    if not picture.shown.has_transparency_data:
        return None
    *colours, alpha = picture.shown.convert("RGBA").split()
    low, high = alpha.getextrema()
    if any(len(set(colour.getextrema())) > 1 for colour in colours) or low == high > 0:
        return None
    return np.array(alpha) > high / 2


def _stored(picture: PictureFile, one_number: bool) -> np.ndarray:
    shown = picture.shown
    if picture.deep is not None and picture.deep.ndim == 2:
        return _with_a_zero(picture.deep, picture.highest - picture.deep, picture)
    if shown.mode == "P":
        return np.array(shown.convert("L") if one_number and _black_and_white(picture) else shown).astype(np.int64)
    if (alpha := shape_in_alpha(picture)) is not None:
        return np.where(alpha, 255, 0)
    if shown.mode in ("LA", "PA"):
        shown = shown.getchannel(0)
    numbers = np.array(shown if shown.mode in ("1", "L") else shown.convert("RGB")).astype(np.int64)
    if picture.deep is not None:
        numbers = picture.deep[..., :3]
    if numbers.ndim == 2:
        return _with_a_zero(255 - numbers, numbers, picture) if shown.mode == "L" else numbers
    if np.ptp(numbers, axis=-1).max(initial=0) > (COLOUR_NOISE if picture.format in LOSSY else 0):
        raise InputError(
            f"{picture.path}: a label map holds one number per pixel, this image holds colours; store the numbers "
            "(0 for none) as a grey image."
        )
    return numbers[..., 0]


def _with_a_zero(stored: np.ndarray, shown: np.ndarray, picture: PictureFile) -> np.ndarray:
    """Choose between numbers as stored and as shown: without a 0 all pixels would belong to something."""
    if not picture.white_is_zero:
        return stored if picture.deep is not None else shown
    return stored if (stored == 0).any() and not (shown == 0).any() else shown


def _black_and_white(picture: PictureFile) -> bool:
    """Whether these are the only two colours of a palette that are in use."""
    used = {colour for _, colour in picture.shown.convert("RGB").getcolors(2**24)}
    return used == {(0, 0, 0), (255, 255, 255)} and len(picture.shown.getcolors()) == 2


def number_components(numbers: np.ndarray) -> tuple[np.ndarray, int]:
    """Number the connected components (8 neighbours) of a map with one number for all objects.

    Args:
        numbers: (H, W), 0 for none.

    Returns:
        The components 1, 2, ..., and how many there are; the map as it is, and 0, where it holds other than one number.
    """
    found = np.unique(numbers[numbers != 0])
    if len(found) != 1:
        return numbers, 0
    components, count = label(numbers, np.ones((3, 3)))
    return (components, count) if count > 1 else (numbers, 1)
