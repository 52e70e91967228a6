"""Find what is bright in a mask."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from .label_numbers import NEAR, SOFT_SHARE, is_flat, shape_in_alpha
from .picture_file import PictureFile

__all__ = ["bright_part"]

THRESHOLD = 127  # of 255: masks stored as JPEG, or made smaller, hold values between
COLOURED = 64  # least difference between two colours of a pixel that is not grey
FEW_COLOURS, FEW_SHARE = 4, 0.95  # so many colours cover so much of a coloured mask; a picture has more
SHADES = 8  # a mask with more has soft borders
DIM_SHARE = 0.1  # of the bright part, that parts of another brightness may have
DARK_SHARE = 0.02  # of the pixels: less are the border between two colours
LUMINANCE = (0.299, 0.587, 0.114)


def bright_part(picture: PictureFile) -> np.ndarray:
    """Return (H, W), boolean: where a mask is bright.

    Bright is more than 127 of 255 in red, green or blue; in 16 bits, more than half of the highest value; in a mask of
    zeros and ones, the one. Palettes count with the colours that they show. If nothing in a coloured mask is dark, its
    lighter part is bright, unless that surrounds the other. If all pixels have the same colour, the opaque ones are
    bright.

    Raises:
        InputError: all of the mask is bright, or all of its corners, or nothing shows what is.
    """
    alpha = shape_in_alpha(picture)
    bright = _bright(_colours(picture), picture) if alpha is None else _inside(alpha, picture)
    if bright.all():
        raise InputError(
            f"{picture.path}: all of this mask is bright, the lesion would fill the image; store a mask with 255 (or "
            "1) for the lesion and 0 elsewhere."
        )
    if bright[[0, 0, -1, -1], [0, -1, 0, -1]].all():
        raise InputError(
            f"{picture.path}: is bright in {bright.mean():.0%} of the image and in all its corners, as a background "
            "is; store a mask with 255 (or 1) for the lesion and 0 elsewhere."
        )
    return bright


def _colours(picture: PictureFile) -> np.ndarray:
    """Return (H, W, 3), from 0 to 255."""
    if picture.deep is not None:
        values = picture.deep[..., :3] if picture.deep.ndim == 3 else picture.deep[..., None]
        if values.max() > 255:
            values = values * 255 // values.max()
        if picture.white_is_zero and picture.deep.ndim == 2:
            values = values.max() - values
        return np.broadcast_to(values, (*values.shape[:2], 3))
    colours = np.array(picture.shown.convert("RGB")).astype(np.int64)
    indices = picture.shown.getcolors() if picture.shown.mode == "P" else []
    if len(indices) > 1 and (colours == colours[0, 0]).all():  # nothing to see, so the numbers must do
        return np.repeat(np.array(picture.shown).astype(np.int64)[..., None], 3, axis=-1)
    return colours


def _bright(colours: np.ndarray, picture: PictureFile) -> np.ndarray:
    value = colours.max(axis=-1)
    highest = int(value.max())
    if highest <= 1:
        return value > 0
    if highest <= THRESHOLD:
        if picture.shown.mode != "P":
            raise InputError(
                f"{picture.path}: its highest value is {highest}; store a mask with 255 (or 1) for the lesion and 0 "
                "elsewhere."
            )
        colours = colours * 255 // highest
        value = colours.max(axis=-1)
    coloured = value - colours.min(axis=-1) > COLOURED
    _refuse_greys(value, picture)
    if not coloured.any():
        return value > THRESHOLD
    _, counts = np.unique(colours.reshape(-1, 3) // COLOURED, axis=0, return_counts=True)
    if np.sort(counts)[-FEW_COLOURS:].sum() < FEW_SHARE * value.size:
        raise InputError(f"{picture.path}: holds many colours, like the image itself; give its mask, bright on dark.")
    if (value <= THRESHOLD).mean() > DARK_SHARE:
        return value > THRESHOLD
    luminance = colours @ np.array(LUMINANCE)
    return _inside(luminance > (luminance.min() + luminance.max()) / 2, picture)


def _refuse_greys(value: np.ndarray, picture: PictureFile) -> None:
    """Refuse a picture in place of a mask, and parts that are neither the ground nor bright."""
    if len(np.unique(value)) > SHADES:
        between = (value > NEAR) & (value < 255 - NEAR)
        if between.mean() > SOFT_SHARE and between.sum() > 2 * (value >= 255 - NEAR).sum():
            raise InputError(f"{picture.path}: holds many shades, as an image does; give its mask, bright on dark.")
        return
    dim = value[is_flat(value) & (value > NEAR) & (value <= THRESHOLD) & (value != value[0, 0])]
    if dim.size > DIM_SHARE * (value > THRESHOLD).sum():
        raise InputError(
            f"{picture.path}: has parts of brightness {dim[0]} and of {value.max()}; store a mask with 255 (or 1) for "
            "the lesion and 0 elsewhere."
        )


def _inside(bright: np.ndarray, picture: PictureFile) -> np.ndarray:
    """Refuse a bright part that covers most of the picture's border: it would be the background."""
    border = np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]])
    if border.mean() > 0.5:
        raise InputError(
            f"{picture.path}: its colours do not separate the lesion from the background; store a mask with 255 "
            "(or 1) for the lesion and 0 elsewhere."
        )
    return bright
