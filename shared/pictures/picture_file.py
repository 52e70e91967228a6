"""Open an image file with all its bits, turned by its EXIF orientation."""

from __future__ import annotations

import io
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PictureFile", "open_picture", "stores_many_bits"]

DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")  # how Pillow calls grey values of more than 8 bits
DEEP_COLOURS = re.compile(r"(LA|RGB|RGBA|RGBX);16[BLN]")  # how Pillow calls the bytes of colours with 16 bits
OTHER_BYTE = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
BITS, PHOTOMETRIC, MAX_SAMPLE, PLANES, SAMPLE_FORMAT = 258, 262, 281, 284, 339  # tags of a TIFF
HIGHEST = {True: 2**15 - 1, False: 2**16 - 1}  # of 16 bits, signed or not


@dataclass(frozen=True)
class PictureFile:
    """One picture, not scaled.

    Attributes:
        path: the file.
        format: as Pillow calls it: "PNG", "TIFF", "JPEG", "MPO", ...
        shown: Pillow's picture, turned by the orientation tag of the file (EXIF 2 to 8); 8 bits per colour unless it
            is grey with more.
        deep: whole numbers of more than 8 bits, (H, W) or (H, W, colours), as stored; None for 8 bits.
        highest: the largest number that can be stored in `deep`.
        white: the number that the file itself declares as white (12-bit samples, sBIT, MaxSampleValue), or None.
        white_is_zero: `deep`, or 8 bits before Pillow turned them over, hold 0 for white (TIFF, MinIsWhite).
    """

    path: Path
    format: str
    shown: Image
    deep: np.ndarray | None
    highest: int
    white: int | None
    white_is_zero: bool


def open_picture(path: str | os.PathLike) -> PictureFile:
    """Open and decode a picture.

    Raises:
        InputError: no such file, not readable, several pages, or fractions instead of whole numbers.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"expected the path of an image, got {path!r}; give one file per key.")
    path = Path(path).expanduser()
    if not path.is_file():
        raise InputError(f"{path}: no such file; correct the path, or leave the case out.")
    try:
        return _opened(path, path.read_bytes())
    except (InputError, MemoryError):
        raise
    except Exception as error:  # Pillow has several of its own, and lets struct.error and others through
        reason = re.sub(r" <_io\.BytesIO[^>]*>", "", " ".join(f"{type(error).__name__}: {error}".split()))
        raise InputError(
            f"{path}: cannot be read as an image, it is damaged, incomplete, of another format or too large; copy it "
            f"again, or store it as PNG ({reason if len(reason) < 150 else reason[:147] + '...'})."
        ) from error


def stores_many_bits(path: str | os.PathLike) -> bool:
    """Whether a picture has more than 8 bits per colour, by its header; False where it cannot be opened."""
    from PIL import Image

    _know_more_tiffs()
    try:
        with Image.open(Path(path).expanduser()) as picture:
            return picture.mode in DEEP_MODES or any(DEEP_COLOURS.fullmatch(_raw_mode(tile)) for tile in picture.tile)
    except Exception:  # whoever reads it says why
        return False


def _opened(path: Path, content: bytes) -> PictureFile:
    from PIL import Image, ImageOps

    _know_more_tiffs()
    # By its name Pillow would map the file into memory, which reads a rotated TIFF in the wrong order.
    picture = Image.open(io.BytesIO(content))
    picture.tile = [_in_own_order(tile) for tile in picture.tile]
    tags = picture.tag_v2 if picture.format == "TIFF" else {}
    pages = getattr(picture, "n_frames", 1)
    if picture.format == "TIFF" and pages > 1:
        raise InputError(f"{path}: holds {pages} pages; store the page that is meant as a separate file.")
    if picture.mode == "F":
        raise InputError(f"{path}: holds fractions; store whole numbers of 8 or 16 bits.")
    bits = max(tags.get(BITS, (8,)))
    signed = bits == 16 and max(tags.get(SAMPLE_FORMAT, (1,))) == 2
    declared = _declared_white(picture, content, bits, tags)
    white_is_zero = tags.get(PHOTOMETRIC) == 0
    tiles = list(picture.tile)
    shown = ImageOps.exif_transpose(picture)
    deep = None
    if picture.mode in DEEP_MODES:
        deep = np.array(shown).astype(np.int64)
    elif bits == 16 and tags.get(PLANES) == 2:
        raise InputError(f"{path}: holds its colours one after the other in 16 bits; store it with 8 bits.")
    elif any(DEEP_COLOURS.fullmatch(_raw_mode(tile)) for tile in tiles):
        deep = _sixteen_bits(content, shown)
    return PictureFile(path, str(picture.format), shown, deep, HIGHEST[signed], declared, white_is_zero)


def _know_more_tiffs() -> None:
    """Let Pillow read deep TIFFs with 0 for white as it reads those with 0 for black, and 32 bits in either order."""
    from PIL.TiffImagePlugin import MM, OPEN_INFO

    OPEN_INFO.setdefault((MM, 1, (1,), 1, (32,), ()), ("I", "I;32B"))
    for (order, photometric, *others), modes in list(OPEN_INFO.items()):
        if photometric == 1 and modes[0] in DEEP_MODES:
            OPEN_INFO.setdefault((order, 0, *others), modes)


def _declared_white(picture: Image, content: bytes, bits: int, tags: Any) -> int | None:
    if 8 < bits < 16:
        return 2**bits - 1
    if MAX_SAMPLE in tags:
        return int(np.max(tags[MAX_SAMPLE]))
    if picture.format == "PNG" and (place := content.find(b"sBIT", 0, content.find(b"IDAT"))) > 0:
        return 2 ** content[place + 4] - 1
    return None


def _raw_mode(tile: Any) -> str:
    return str(tile.args[0] if isinstance(tile.args, tuple) else tile.args)


def _sixteen_bits(content: bytes, shown: Image) -> np.ndarray:
    """Return (H, W, 3 or 4); Pillow keeps the upper byte of a colour only, so the lower one is read a second time."""
    from PIL import Image, ImageOps

    again = Image.open(io.BytesIO(content))
    grey = _raw_mode(again.tile[0]).startswith("LA;")
    again.tile = [_of_other_byte(tile) for tile in again.tile]
    other = np.array(ImageOps.exif_transpose(again)).astype(np.int64)
    if grey:  # four bytes that are no colours
        return (256 * other[..., ::2] + other[..., 1::2])[..., [0, 0, 0, 1]]
    return 256 * np.array(shown).astype(np.int64) + other


def _in_own_order(tile: Any) -> Any:
    """Correct the order of bytes of 32 bits that were unpacked: they come in that of the machine."""
    if tile.codec_name != "libtiff" or not _raw_mode(tile).startswith("I;32B"):
        return tile
    return tile._replace(args=(_raw_mode(tile).replace("B", "N"), *tile.args[1:]))


def _of_other_byte(tile: Any) -> Any:
    raw = _raw_mode(tile)
    raw = "RGBA" if raw.startswith("LA;") else raw[:-1] + OTHER_BYTE[raw[-1]]
    return tile._replace(args=(raw, *tile.args[1:]) if isinstance(tile.args, tuple) else raw)
