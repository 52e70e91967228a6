"""Paint brain-tumour data sets of ellipsoids, for tests that need something small and quick.

What a user sees is painted on real anatomy: `painted_brains`. `brain_phantom_anatomy` places tissue and tumours,
`brain_phantom_scan` turns them into images.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError
from .brain_layouts import checked_parameters, write_brains
from .brain_phantom_anatomy import TUMOURS
from .brain_phantom_scan import paint_case
from .mr_contrasts import BRAIN_MODALITIES

__all__ = ["paint_brats_phantoms"]

VERSION = 3  # raise it whenever the same parameters would give other files
README = """These are PHANTOMS: pictures of brains and tumours that a program painted. No patient was scanned for them.

They have the files, names and label values of real data ({layout}), so that programs can be tried and tested on
them. Nothing about medicine can be learned from them, and results on them say nothing about patients.

Painted by shared/phantoms/brain_phantoms.py; the parameters are in {record}. Delete this folder whenever you like.
"""


def paint_brats_phantoms(
    output_dir: str | os.PathLike,
    num_cases: int = 24,
    seed: int = 0,
    size: Sequence[int] = (56, 64, 48),
    spacing_mm: Sequence[float] = (2.5, 2.5, 2.5),
    layout: str = "brats2021",
    modalities: str | Sequence[str] = BRAIN_MODALITIES,
    missing_share: float = 0.0,
    affine: Sequence[Sequence[float]] | None = None,
    tumours: str = "glioma",
) -> Path:
    """Paint a data set of brain-tumour phantoms, unless the folder holds exactly this one already.

    Case i is the same, byte for byte, in every data set of the same seed and grid. A folder that holds anything
    else, be it phantoms painted with other parameters, is refused.

    Args:
        output_dir: folder of the data set; made if missing.
        num_cases: number of cases, `Phantom_000` and on.
        seed: number of the data set, 0 or more.
        size: voxels along the three axes.
        spacing_mm: edges of a voxel; a brain measures about 125 x 150 x 125 mm.
        layout: "brats2021" (`Phantom_000/Phantom_000_t1ce.nii.gz`, enhancing tumour = 4), "brats2023"
            (`Phantom_000/Phantom_000-t1c.nii.gz`, 3) or "msd" (`dataset.json`, 4D images).
        modalities: which of "t1", "t1ce", "t2", "flair" to paint; each looks the same without the others.
        missing_share: probability that a case lacks some of these modalities, at random; it keeps one at least.
        affine: (4, 4), voxel to world in millimetres, in place of the upright grid that `spacing_mm` describes; the
            middle of the brain is at the world's origin.
        tumours: "glioma" (one, of all sizes and forms), "thin_rims" (the same, each with an enhancing rim of one to two
            voxels of 2.5 mm) or "metastases" (four to ten of 3 to 10 mm across, with little oedema).

    Returns:
        `output_dir`.
    """
    checked = checked_parameters(
        num_cases=num_cases,
        seed=seed,
        size=size,
        spacing_mm=spacing_mm,
        layout=layout,
        modalities=modalities,
        missing_share=missing_share,
        affine=None if affine is None else _checked_affine(affine),
    )
    if tumours not in TUMOURS:
        raise InputError(f"tumours {tumours!r} are unknown; choose {' or '.join(TUMOURS)}.")
    grid, parameters = np.array(checked["affine"]), {"version": VERSION, **checked}
    if tumours != "glioma":  # left out else, so that folders from before there was a choice are known again
        parameters["tumours"] = tumours

    def paint(index: int, present: Sequence[str]) -> dict[str, np.ndarray]:
        return paint_case(index, seed=seed, size=size, affine=grid, modalities=present, tumours=tumours)

    return write_brains(Path(output_dir), parameters, README, paint)


def _checked_affine(affine: Sequence[Sequence[float]]) -> np.ndarray:
    grid = np.asarray(affine, dtype=float)
    if grid.shape != (4, 4) or not np.isfinite(grid).all() or abs(np.linalg.det(grid)) < 1e-6:
        raise InputError(f"affine: must be an invertible 4x4 matrix from voxel to world, not {grid.tolist()}.")
    return grid
