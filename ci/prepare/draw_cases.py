"""Draw brains side by side: a row per case, its modalities and its label where most tumour is.

To look at painted cases next to real ones. A figure of patients stays where the patients' images may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from monai.data import MetaTensor
from PIL import Image, ImageColor
from torch import Tensor

from shared.atomic_write import atomic_write
from shared.errors import InputError
from shared.phantoms import BRAIN_MODALITIES
from shared.transforms import PrepareBraind
from shared.transforms.planes import PLANES, GreyValues, Planes, colour_of

from .phantom_moments import whole_cases

OPAQUE = 0.5
TINTS = np.array([(0, 0, 0), *(ImageColor.getrgb(colour_of(value)) for value in (1, 2, 3))], np.float32)


def row_of(image: MetaTensor, label: Tensor, plane: str, tile_mm: int) -> np.ndarray:
    """Return the tiles (height, width, 3), uint8, of one case, in radiological display.

    Args:
        image: (M, x, y, z), normalised, 0 outside the brain.
        label: (x, y, z), classes; the slice is the one with most tumour, or with most brain where there is none.
        plane: a name in `PLANES`.
        tile_mm: edge of a tile.
    """
    brain, tumour = (image != 0).any(dim=0).as_tensor(), label > 0
    planes = Planes(image.affine, brain, tumour if tumour.any() else brain)
    greys = [GreyValues(volume, brain).cut(planes, plane) for volume in image.as_tensor()]
    tiles = [np.repeat(255 * grey[..., None], 3, axis=-1) for grey in greys]
    classes = planes.cut(label, plane).astype(int)[..., None]
    tiles.append(np.where(classes > 0, (1 - OPAQUE) * tiles[-1] + OPAQUE * TINTS[classes[..., 0]], tiles[-1]))
    across, down, _ = PLANES[plane]
    edges_mm = planes.spacing_mm[[across, down]]
    return np.concatenate([_tile(tile, edges_mm, tile_mm) for tile in tiles], axis=1)


def _tile(values: np.ndarray, edges_mm: Sequence[float], tile_mm: int) -> np.ndarray:
    """Return a slice (rows, columns, 3) in the middle of a square of 1 mm pixels."""
    size = [max(1, round(n * mm)) for n, mm in zip(values.shape[1::-1], edges_mm, strict=True)]
    picture = Image.fromarray(values.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    tile = Image.new("RGB", (tile_mm, tile_mm))
    tile.paste(picture, tuple((tile_mm - n) // 2 for n in size))
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
        dataset_dir: folder of cases; those with all four modalities and a label are drawn.
        out: the file.
        layout: of the folder.
        num_cases: how many, from the first on.
        plane: axial, coronal or sagittal.
        spacing_mm: voxels of the slices.
        tile_mm: edge of a tile, in millimetres and pixels.
    """
    if plane not in PLANES:
        raise InputError(f"plane {plane!r} is unknown; choose {' or '.join(PLANES)}.")
    if num_cases < 1:
        raise InputError(f"num_cases: must be at least 1, not {num_cases}.")
    cases = whole_cases(dataset_dir, layout)[:num_cases]
    prepare = PrepareBraind(
        BRAIN_MODALITIES, spacing_mm, layout=layout, cases=cases, resample_label=True, resample=True
    )
    rows = []
    for case in map(prepare, cases):
        image = case["image"].nan_to_num()  # an empty modality is black
        rows.append(row_of(image, case["label"].as_tensor()[0], plane, tile_mm))
    with atomic_write(Path(out)) as temporary:
        Image.fromarray(np.concatenate(rows)).save(temporary, format="PNG", optimize=True)
    print(f"{len(rows)} cases, {', '.join(BRAIN_MODALITIES)} and label: {out}")
