"""Paint small brain-tumour data sets in the layouts of BraTS and the Medical Segmentation Decathlon.

The files are phantoms: painted, of no patient. `brain_phantom_anatomy` places tissue and tumours, `brain_phantom_scan`
turns them into images.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError
from .brain_phantom_anatomy import TUMOURS
from .brain_phantom_scan import MODALITIES, paint_case, upright_affine
from .phantom_folder import start_folder, write_msd_listing, write_nifti

__all__ = ["paint_brats_phantoms"]

VERSION = 3  # raise it whenever the same parameters would give other files
FILE_NAMES = {
    "brats2021": {"t1": "_t1", "t1ce": "_t1ce", "t2": "_t2", "flair": "_flair", "label": "_seg"},
    "brats2023": {"t1": "-t1n", "t1ce": "-t1c", "t2": "-t2w", "flair": "-t2f", "label": "-seg"},
}
MSD = "msd"
MSD_CHANNELS = {"flair": "FLAIR", "t1": "T1w", "t1ce": "t1gd", "t2": "T2w"}  # in the order of Task01
MSD_LABELS = ("background", "edema", "non-enhancing tumor", "enhancing tumour")
LABEL_VALUES = {  # class (0 background, 1 necrosis or non-enhancing, 2 oedema, 3 enhancing) -> value in the file
    "brats2021": (0, 1, 2, 4),
    "brats2023": (0, 1, 2, 3),
    MSD: (0, 2, 1, 3),
}
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
    modalities: str | Sequence[str] = MODALITIES,
    missing_share: float = 0.0,
    affine: Sequence[Sequence[float]] | None = None,
    tumours: str = "glioma",
) -> Path:
    """Paint a data set of brain-tumour phantoms, or do nothing where exactly this one lies already.

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
    names = _checked_names(modalities)
    _check_numbers(num_cases, seed, size, spacing_mm, missing_share)
    if layout not in LABEL_VALUES:
        raise InputError(f"layout {layout!r} is unknown; choose {' or '.join(LABEL_VALUES)}.")
    if tumours not in TUMOURS:
        raise InputError(f"tumours {tumours!r} are unknown; choose {' or '.join(TUMOURS)}.")
    if layout == MSD and missing_share:
        raise InputError("missing_share: in layout msd every case has all channels; use 0, or another layout.")
    grid = upright_affine(size, spacing_mm) if affine is None else _checked_affine(affine)
    parameters = {
        "version": VERSION,
        "num_cases": num_cases,
        "seed": seed,
        "size": [int(voxels) for voxels in size],
        "affine": grid.tolist(),
        "layout": layout,
        "modalities": names,
        "missing_share": missing_share,
    }
    if tumours != "glioma":  # left out else, so that folders from before there was a choice are known again
        parameters["tumours"] = tumours
    folder = Path(output_dir)
    cases = {f"Phantom_{index:03d}": _present(names, missing_share, seed, index) for index in range(num_cases)}
    files = [file for case, present in cases.items() for file in _files(case, layout, present).values()]
    files += ["dataset.json"] if layout == MSD else []
    if not start_folder(folder, parameters, files, README.replace("{layout}", layout)):
        return folder
    for index, (case, present) in enumerate(cases.items()):
        volumes = paint_case(index, seed=seed, size=size, affine=grid, modalities=present, tumours=tumours)
        for key, file in _files(case, layout, present).items():
            write_nifti(folder / file, _as_published(key, volumes, layout), grid)
    if layout == MSD:
        about = {"name": "BRATS phantoms", "description": "Painted phantoms of brain tumours; no patients"}
        channels = [described for name, described in MSD_CHANNELS.items() if name in names]
        write_msd_listing(folder, about, channels, MSD_LABELS, [_files(case, MSD, names) for case in cases])
    return folder


def _checked_names(modalities: str | Sequence[str]) -> list[str]:
    """Return the modalities in one order, so that the same set gives the same record."""
    wanted = [modalities] if isinstance(modalities, str) else list(modalities)
    if not wanted or not set(wanted) <= set(MODALITIES):
        raise InputError(f"modalities: choose from {', '.join(MODALITIES)}, not {wanted}.")
    return [name for name in MODALITIES if name in wanted]


def _check_numbers(
    num_cases: int, seed: int, size: Sequence[int], spacing_mm: Sequence[float], missing_share: float
) -> None:
    if num_cases < 1 or seed < 0:
        raise InputError(f"num_cases and seed: must be at least 1 and 0, not {num_cases} and {seed}.")
    if len(size) != 3 or min(size) < 1 or len(spacing_mm) != 3 or min(spacing_mm) <= 0:
        raise InputError(f"size and spacing_mm: three positive numbers each, not {size} and {spacing_mm}.")
    if not 0 <= missing_share <= 1:
        raise InputError(f"missing_share: must lie between 0 and 1, not {missing_share}.")


def _checked_affine(affine: Sequence[Sequence[float]]) -> np.ndarray:
    grid = np.asarray(affine, dtype=float)
    if grid.shape != (4, 4) or not np.isfinite(grid).all() or abs(np.linalg.det(grid)) < 1e-6:
        raise InputError(f"affine: must be an invertible 4x4 matrix from voxel to world, not {grid.tolist()}.")
    return grid


def _present(names: list[str], missing_share: float, seed: int, index: int) -> list[str]:
    """Draw which modalities a case has: mostly all, else a random non-empty proper subset."""
    generator = np.random.default_rng((seed, index, 2 + len(MODALITIES)))
    if generator.random() >= missing_share or len(names) == 1:
        return names
    kept = generator.integers(1, 2 ** len(names) - 1)  # as bits; neither none nor all
    return [name for bit, name in enumerate(names) if kept >> bit & 1]


def _files(case: str, layout: str, present: list[str]) -> dict[str, str]:
    """Return {modality, "image" (all channels) or "label": path within the data set}."""
    if layout == MSD:
        return {"image": f"imagesTr/{case}.nii.gz", "label": f"labelsTr/{case}.nii.gz"}
    return {key: f"{case}/{case}{FILE_NAMES[layout][key]}.nii.gz" for key in (*present, "label")}


def _as_published(key: str, volumes: dict[str, np.ndarray], layout: str) -> np.ndarray:
    """Return what one file holds: a modality, all channels, or the label with its layout's values."""
    if key == "label":
        return np.array(LABEL_VALUES[layout], np.uint8)[volumes["label"]]
    if key == "image":
        return np.stack([volumes[name] for name in MSD_CHANNELS if name in volumes], axis=-1)
    return volumes[key]
