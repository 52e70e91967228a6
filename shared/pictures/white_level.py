"""Scale pictures to colours from 0 to 1; find the white of 12-bit and 8-bit values in a 16-bit file."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .picture_file import PictureFile

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["highest_value", "picture_colours", "white_for"]

WHITE = (255, 255, 255, 255)  # a slide without tissue
HIGHEST = 2**16 - 1
FEWEST_BITS, MOST_BITS = 8, 14  # of values that do not fill their 16 bits


def highest_value(picture: PictureFile) -> int:
    """Return the largest number that an image of more than 8 bits may hold, judged by this image alone.

    In this order: the white that the file declares; all of 16 bits, if 8 bits are spread over them (multiples of 256 or
    257); the largest number in the image.
    """
    if (declared := _declared(picture)) is not None:
        return declared
    colours = picture.deep[..., :3] if picture.deep.ndim == 3 else picture.deep
    stored = int(colours.max())
    if stored and (not (colours % 257).any() or not (colours % 256).any()):
        return picture.highest
    return int(picture.highest - colours.min()) if picture.white_is_zero and stored >= 2**MOST_BITS else stored


def white_for(highest: int, container: int) -> int:
    """Return the white of values up to `highest`: a power of two less one where they fill 14 bits at most."""
    bits = max(FEWEST_BITS, highest.bit_length())
    return container if bits > MOST_BITS else 2**bits - 1


def picture_colours(picture: PictureFile, highest: int | None = None) -> np.ndarray:
    """Return (3, H, W), float32 in [0, 1]: grey is repeated, palettes are colours, what is transparent becomes white.

    8 bits are divided by 255, 16 bits by 65535 (32767 if signed). If the numbers use less than a quarter of 16 bits,
    white is what the file declares, or else the smallest 2^n - 1 that is not below the highest number; a warning says
    so.

    Args:
        picture: an opened file.
        highest: the highest number in all pictures of the data set, so that they are scaled alike. Without it the
            picture's own counts.
    """
    if picture.deep is None:
        return np.moveaxis(np.asarray(_in_colour(picture), np.float32) / 255, -1, 0)
    low, high = int(picture.deep.min()), int(picture.deep.max())
    if low < 0 or high > HIGHEST:
        raise InputError(f"{picture.path}: values reach from {low} to {high}; store it with 8 or 16 bits.")
    white = _white(picture, highest)
    values = _black_is_zero(picture, white).astype(np.float32)
    if values.ndim == 2:
        return np.repeat(values[None] / white, 3, axis=0)
    opaque = white if values[..., -1].max() <= white else picture.highest
    alpha = values[..., 3:] / opaque if values.shape[-1] == 4 else 1
    return np.moveaxis(alpha * values[..., :3] / white + (1 - alpha), -1, 0).astype(np.float32)


def _declared(picture: PictureFile) -> int | None:
    white = picture.white or picture.highest
    return white if white < picture.highest and picture.deep.max() <= white else None


def _white(picture: PictureFile, highest: int | None) -> int:
    if (declared := _declared(picture)) is not None:
        return declared
    own = highest_value(picture)
    white = white_for(max(own, highest or 0), picture.highest)
    if highest is None and own > 0 and white < picture.highest:
        logging.getLogger(__name__).warning(
            "%s: its highest value is %d of %d, so white is taken to be %d; store it with 8 bits if that is wrong.",
            picture.path,
            own,
            picture.highest,
            white,
        )
    elif highest is None and 0 < own <= picture.highest // 2:
        logging.getLogger(__name__).warning("%s: is dark, up to %d of %d.", picture.path, own, picture.highest)
    return white


def _black_is_zero(picture: PictureFile, white: int) -> np.ndarray:
    if not picture.white_is_zero or picture.deep.ndim == 3:
        return picture.deep
    return (white if picture.deep.max() <= white else picture.highest) - picture.deep


def _in_colour(picture: PictureFile) -> Image:
    from PIL import Image

    shown = picture.shown
    if shown.has_transparency_data:
        coloured = shown.convert("RGBA")
        shown = Image.alpha_composite(Image.new("RGBA", coloured.size, WHITE), coloured)
    return shown.convert("RGB")
