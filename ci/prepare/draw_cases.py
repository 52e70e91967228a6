"""Draw brains side by side: a row per case, its modalities and its label where most tumour is.

To look at painted cases next to real ones. A figure of patients stays where the patients' images may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from shared.atomic_write import atomic_write
from shared.data import find_mri_cases
from shared.errors import InputError
from shared.phantoms import BRAIN_MODALITIES
from shared.transforms import PrepareBraind

COLOURS = np.array([[0, 0, 0], [230, 70, 60], [70, 200, 80], [80, 120, 255]], np.float32)  # classes 1, 2, 3
AXES = {"sagittal": 0, "coronal": 1, "axial": 2}
OPAQUE = 0.5


def row_of(image: np.ndarray, label: np.ndarray, axis: int, tile_mm: int, spacing_mm: Sequence[float]) -> np.ndarray:
    """Return the tiles (height, width, 3), uint8, of one case, head up or front up.

    Args:
        image: (M, x, y, z), normalised, in RAS.
        label: (x, y, z), classes.
        axis: across which the slice is taken: the one with most tumour, or the middle one.
        tile_mm: edge of a tile.
        spacing_mm: edges of a voxel.
    """
    others = tuple(other for other in range(3) if other != axis)
    tumour = (label > 0).sum(axis=others)
    index = int(tumour.argmax()) if tumour.any() else label.shape[axis] // 2
    tiles = []
    for volume in image:
        inside = volume[volume != 0]
        low, high = np.percentile(inside, (1, 99.5)) if len(inside) else (0.0, 1.0)
        grey = np.clip((volume - low) / max(high - low, 1e-6), 0, 1) * (volume != 0)
        tiles.append(np.repeat(255 * np.take(grey, index, axis)[..., None], 3, axis=-1))
    classes = np.take(label, index, axis)[..., None]
    tiles.append(np.where(classes > 0, (1 - OPAQUE) * tiles[-1] + OPAQUE * COLOURS[classes[..., 0]], tiles[-1]))
    edges = [spacing_mm[other] for other in others]
    return np.concatenate([_tile(tile, edges, tile_mm) for tile in tiles], axis=1)


def _tile(values: np.ndarray, edges_mm: Sequence[float], tile_mm: int) -> np.ndarray:
    """Return a slice (a, b, 3), turned upright and in the middle of a square of 1 mm pixels."""
    picture = Image.fromarray(np.flip(values.astype(np.uint8).swapaxes(0, 1), axis=0))
    size = [max(1, round(n * mm)) for n, mm in zip(values.shape[:2], edges_mm, strict=True)]
    tile = Image.new("RGB", (tile_mm, tile_mm))
    tile.paste(picture.resize(size, Image.Resampling.BICUBIC), tuple((tile_mm - n) // 2 for n in size))
    return np.asarray(tile)


def main(
    *,
    dataset_dir: str,
    out: str,
    layout: str = "brats2021",
    num_cases: int = 5,
    plane: str = "axial",
    spacing_mm: Sequence[float] = (2.0, 2.0, 2.0),
    tile_mm: int = 190,
) -> None:
    """Write one PNG.

    Args:
        dataset_dir: folder of cases with all four modalities and labels.
        out: the file.
        layout: of the folder.
        num_cases: how many, from the first on.
        plane: axial, coronal or sagittal.
        spacing_mm: voxels of the slices.
        tile_mm: edge of a tile, in millimetres and pixels.
    """
    if plane not in AXES:
        raise InputError(f"plane {plane!r} is unknown; choose {' or '.join(AXES)}.")
    cases = find_mri_cases(dataset_dir, BRAIN_MODALITIES, layout=layout, needs_label=True)[:num_cases]
    prepare = PrepareBraind(
        BRAIN_MODALITIES, spacing_mm, layout=layout, cases=cases, resample_label=True, resample=True
    )
    rows = []
    for case in map(prepare, cases):
        image = np.nan_to_num(case["image"].numpy())  # an absent modality is black
        rows.append(row_of(image, case["label"].numpy()[0], AXES[plane], tile_mm, spacing_mm))
    with atomic_write(Path(out)) as temporary:
        Image.fromarray(np.concatenate(rows)).save(temporary, format="PNG", optimize=True)
    print(f"{len(rows)} cases, {', '.join(BRAIN_MODALITIES)} and label: {out}")
