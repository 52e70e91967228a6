"""Files of painted brains in the layouts of BraTS and the Medical Segmentation Decathlon, however they are painted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .brain_phantom_scan import upright_affine
from .mr_contrasts import BRAIN_MODALITIES
from .phantom_folder import start_folder, write_msd_listing, write_nifti

__all__ = ["LAYOUT_NAMES", "checked_parameters", "write_brains"]

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
LAYOUT_NAMES = tuple(LABEL_VALUES)


def write_brains(
    folder: Path,
    parameters: Mapping[str, Any],
    readme: str,
    paint: Callable[[int, Sequence[str]], Mapping[str, np.ndarray]],
) -> Path:
    """Paint a data set, unless the folder holds exactly this one already.

    Args:
        folder: of the data set; made if missing.
        parameters: what it is painted with: `checked_parameters`, and what one painter alone takes.
        readme: text, with {layout} and {record}.
        paint: returns the volumes of case number i in these modalities, and "label" (classes).

    Returns:
        The folder.
    """
    layout, names, seed = parameters["layout"], parameters["modalities"], parameters["seed"]
    missing_share, grid = parameters["missing_share"], np.array(parameters["affine"])
    numbers = range(parameters["num_cases"])
    cases = {f"Phantom_{index:03d}": _present(names, missing_share, seed, index) for index in numbers}
    files = [file for case, present in cases.items() for file in _files(case, layout, present).values()]
    files += ["dataset.json"] if layout == MSD else []
    if not start_folder(folder, parameters, files, readme.replace("{layout}", layout)):
        return folder
    for index, (case, present) in enumerate(cases.items()):
        volumes = paint(index, present)
        for key, file in _files(case, layout, present).items():
            write_nifti(folder / file, _as_published(key, volumes, layout), grid)
    if layout == MSD:
        about = {"name": "BRATS phantoms", "description": "Painted phantoms of brain tumours; no patients"}
        channels = [described for name, described in MSD_CHANNELS.items() if name in names]
        write_msd_listing(folder, about, channels, MSD_LABELS, [_files(case, MSD, names) for case in cases])
    return folder


def checked_parameters(
    *,
    num_cases: int,
    seed: int,
    size: Sequence[int],
    spacing_mm: Sequence[float],
    layout: str,
    modalities: str | Sequence[str],
    missing_share: float,
    affine: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return what `write_brains` reads and the record of a data set holds.

    The modalities are in one order, so that the same set gives the same record.

    Raises:
        InputError: a setting that cannot be met.
    """
    wanted = [modalities] if isinstance(modalities, str) else list(modalities)
    if not wanted or not set(wanted) <= set(BRAIN_MODALITIES):
        raise InputError(f"modalities: choose from {', '.join(BRAIN_MODALITIES)}, not {wanted}.")
    if num_cases < 1 or seed < 0:
        raise InputError(f"num_cases and seed: must be at least 1 and 0, not {num_cases} and {seed}.")
    if np.shape(size) != (3,) or min(size) < 1 or np.shape(spacing_mm) != (3,) or min(spacing_mm) <= 0:
        raise InputError(f"size and spacing_mm: three positive numbers each, not {size} and {spacing_mm}.")
    if not 0 <= missing_share <= 1:
        raise InputError(f"missing_share: must lie between 0 and 1, not {missing_share}.")
    if layout not in LAYOUT_NAMES:
        raise InputError(f"layout {layout!r} is unknown; choose {' or '.join(LAYOUT_NAMES)}.")
    if layout == MSD and missing_share:
        raise InputError("missing_share: in layout msd every case has all channels; use 0, or another layout.")
    return {
        "num_cases": num_cases,
        "seed": seed,
        "size": [int(voxels) for voxels in size],
        "affine": (upright_affine(size, spacing_mm) if affine is None else affine).tolist(),
        "layout": layout,
        "modalities": [name for name in BRAIN_MODALITIES if name in wanted],
        "missing_share": missing_share,
    }


def _present(names: list[str], missing_share: float, seed: int, index: int) -> list[str]:
    """Draw which modalities a case has: mostly all, else a random non-empty proper subset."""
    generator = np.random.default_rng((seed, index, 2 + len(BRAIN_MODALITIES)))
    if generator.random() >= missing_share or len(names) == 1:
        return names
    kept = generator.integers(1, 2 ** len(names) - 1)  # as bits; neither none nor all
    return [name for bit, name in enumerate(names) if kept >> bit & 1]


def _files(case: str, layout: str, present: list[str]) -> dict[str, str]:
    """Return {modality, "image" (all channels) or "label": path within the data set}."""
    if layout == MSD:
        return {"image": f"imagesTr/{case}.nii.gz", "label": f"labelsTr/{case}.nii.gz"}
    return {key: f"{case}/{case}{FILE_NAMES[layout][key]}.nii.gz" for key in (*present, "label")}


def _as_published(key: str, volumes: Mapping[str, np.ndarray], layout: str) -> np.ndarray:
    """Return what one file holds: a modality, all channels, or the label with its layout's values."""
    if key == "label":
        return np.array(LABEL_VALUES[layout], np.uint8)[volumes["label"]]
    if key == "image":
        return np.stack([volumes[name] for name in MSD_CHANNELS if name in volumes], axis=-1)
    return volumes[key]
