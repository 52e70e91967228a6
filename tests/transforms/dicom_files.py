"""Small DICOM files, explicit little endian, for tests that read them (PS3.5, section 7.1; PS3.3, C.7.6.16)."""

import struct
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

MR, ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1"
ORIENTATION, POSITION, PIXEL_SPACING = (0x20, 0x37), (0x20, 0x32), (0x28, 0x30)


def _element(tag: tuple[int, int], kind: str, value: str | int | bytes | list) -> bytes:
    if isinstance(value, list):  # a sequence of items
        value = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item for item in value)
    elif isinstance(value, int):
        value = struct.pack("<H" if kind == "US" else "<I", value)
    elif isinstance(value, str):
        value = value.encode()
    value += (b"\0" if kind in ("UI", "OB", "OW") else b" ") * (len(value) % 2)
    length = struct.pack("<HI", 0, len(value)) if kind in ("OB", "OW", "SQ") else struct.pack("<H", len(value))
    return struct.pack("<HH", *tag) + kind.encode() + length + value


def _numbers(values: Sequence[float]) -> str:
    return "\\".join(f"{value:.9g}" for value in values)


def _image(pixels: np.ndarray) -> list[bytes]:
    """Elements of pixels (x, y) or (x, y, frames)."""
    frames = pixels.T.astype("<i2")
    size = {(0x28, 2): 1, (0x28, 0x10): pixels.shape[1], (0x28, 0x11): pixels.shape[0]}
    depth = {(0x28, 0x100): 16, (0x28, 0x101): 16, (0x28, 0x102): 15, (0x28, 0x103): 1}
    return [
        *(_element(tag, "US", value) for tag, value in {**size, **depth}.items()),
        _element((0x28, 4), "CS", "MONOCHROME2"),
        _element((0x7FE0, 0x10), "OW", np.ascontiguousarray(frames).tobytes()),
    ]


def _write(path: Path, elements: list[bytes], instance: str, kind: str) -> None:
    elements = [
        _element((8, 0x16), "UI", kind),
        _element((8, 0x18), "UI", instance),
        _element((8, 0x60), "CS", "MR"),
        _element((0x20, 0xD), "UI", "1.2.3.1"),
        _element((0x20, 0xE), "UI", "1.2.3.2"),
        *elements,
    ]
    meta = b"".join(
        [
            _element((2, 1), "OB", b"\0\1"),
            _element((2, 2), "UI", kind),
            _element((2, 3), "UI", instance),
            _element((2, 0x10), "UI", "1.2.840.10008.1.2.1"),
            _element((2, 0x12), "UI", "1.2.3"),
        ]
    )
    body = b"".join(sorted(elements, key=lambda element: struct.unpack("<HH", element[:4])))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\0" * 128 + b"DICM" + _element((2, 0), "UL", len(meta)) + meta + body)


def _geometry(affine: np.ndarray, count: int) -> tuple[str, str, list[str]]:
    """Return orientation, pixel spacing and one position per slice, in DICOM's axes, of an affine in NIfTI's."""
    lps = np.diag([-1, -1, 1, 1]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    axes = lps[:3, :3] / spacing
    positions = [_numbers(lps[:3, 3] + lps[:3, 2] * index) for index in range(count)]
    return _numbers([*axes[:, 0], *axes[:, 1]]), _numbers([spacing[1], spacing[0]]), positions


def write_series(folder: Path, volume: np.ndarray, affine: np.ndarray, without: Collection[tuple] = ()) -> str:
    """Write one file per slice; leave out the tags in `without`, or empty them where their third entry is "empty"."""
    orientation, spacing, positions = _geometry(affine, volume.shape[2])
    for index, position in enumerate(positions):
        tags = {ORIENTATION: orientation, POSITION: position, PIXEL_SPACING: spacing}
        tags |= {tag[:2]: "" for tag in without if tag[2:]}
        tags |= {(0x20, 0x13): str(index + 1), (0x18, 0x50): f"{np.linalg.norm(affine[:3, 2]):.6g}"}
        elements = [
            _element(tag, "IS" if tag == (0x20, 0x13) else "DS", text)
            for tag, text in tags.items()
            if tag not in without
        ]
        _write(folder / f"{index:03}.dcm", [*elements, *_image(volume[:, :, index])], f"1.2.3.4.{index + 1}", MR)
    return str(folder)


def write_enhanced(
    path: Path,
    volume: np.ndarray,
    affine: np.ndarray,
    without: Collection[tuple[int, int]] = (),
    order: Sequence[int] | None = None,
) -> str:
    """Write all slices into one multi-frame file, with the positions of the slices in `order`."""
    orientation, spacing, positions = _geometry(affine, volume.shape[2])
    thickness = _element((0x18, 0x50), "DS", f"{np.linalg.norm(affine[:3, 2]):.6g}")
    planes = [] if ORIENTATION in without else [_element(ORIENTATION, "DS", orientation)]
    pixels = [thickness] + ([] if PIXEL_SPACING in without else [_element(PIXEL_SPACING, "DS", spacing)])
    shared = _element((0x20, 0x9116), "SQ", [b"".join(planes)]) + _element((0x28, 0x9110), "SQ", [b"".join(pixels)])
    frames = [
        b"" if POSITION in without else _element((0x20, 0x9113), "SQ", [_element(POSITION, "DS", position)])
        for position in (positions if order is None else [positions[index] for index in order])
    ]
    elements = [
        _element((0x28, 8), "IS", str(len(positions))),
        _element((0x5200, 0x9229), "SQ", [shared]),
        _element((0x5200, 0x9230), "SQ", frames),
        *_image(volume),
    ]
    _write(path, elements, "1.2.3.4.1", ENHANCED_MR)
    return str(path)
