"""Paint small data sets of prostate MRI in the layouts of MSD Task05 and Prostate158.

The files are phantoms: painted, of no patient. `prostate_phantom_anatomy` places the tissues, `prostate_phantom_scan`
turns them into images.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError
from .phantom_folder import start_folder, write_msd_listing, write_nifti
from .prostate_phantom_scan import PROSTATE_MODALITIES, paint_prostate, prostate_affine

__all__ = ["paint_prostate_phantoms"]

VERSION = 1  # raise it whenever the same parameters would give other files
MSD, PROSTATE158 = "msd", "prostate158"
LABEL_VALUES = {MSD: (0, 1, 2), PROSTATE158: (0, 2, 1)}  # class (0, 1 peripheral, 2 transition zone) -> value
LABEL_FILE = "t2_anatomy_reader1"
ADC_PIXELS = 2  # an ADC of its own has pixels this many times as wide
README = """These are PHANTOMS: pictures of prostates that a program painted. No patient was scanned for them.

They have the files, names and label values of real data ({layout}), so that programs can be tried and tested on
them. Nothing about medicine can be learned from them, and results on them say nothing about patients.

Painted by shared/phantoms/prostate_phantoms.py; the parameters are in {record}. Delete this folder whenever you like.
"""


def paint_prostate_phantoms(
    output_dir: str | os.PathLike,
    num_cases: int = 24,
    seed: int = 0,
    size: Sequence[int] = (128, 128, 20),
    spacing_mm: Sequence[float] = (0.9, 0.9, 3.6),
    layout: str = MSD,
    missing_share: float = 0.0,
) -> Path:
    """Paint a data set of prostate phantoms, or do nothing where exactly this one is already.

    Case i is the same, byte for byte, in every data set of the same seed, grid and layout. A folder that holds anything
    else, be it phantoms painted with other parameters, is refused.

    Args:
        output_dir: folder of the data set; made if missing.
        num_cases: number of cases, `Phantom_000` and on.
        seed: number of the data set, 0 or more.
        size: voxels along the three axes.
        spacing_mm: edges of a voxel; in patients 0.6 to 0.75 mm in a slice, and 3 to 4 mm from slice to slice.
        layout: "msd", as Task05 (`dataset.json`, 4D images with T2 and ADC, 1 peripheral and 2 transition zone), or
            "prostate158" (`Phantom_000/t2.nii.gz`, `adc.nii.gz` on a coarser grid of its own, and
            `t2_anatomy_reader1.nii.gz`, 1 transition and 2 peripheral zone).
        missing_share: probability that a case lacks one of the two modalities, at random; layout "prostate158".

    Returns:
        `output_dir`.
    """
    if num_cases < 1 or seed < 0:
        raise InputError(f"num_cases and seed: must be at least 1 and 0, not {num_cases} and {seed}.")
    if len(size) != 3 or min(size) < 2 or len(spacing_mm) != 3 or min(spacing_mm) <= 0:
        raise InputError(f"size and spacing_mm: three positive numbers each, not {size} and {spacing_mm}.")
    if layout not in LABEL_VALUES:
        raise InputError(f"layout {layout!r} is unknown; choose {' or '.join(LABEL_VALUES)}.")
    if not 0 <= missing_share <= 1 or (layout == MSD and missing_share):
        raise InputError(
            f"missing_share: must be between 0 and 1, and 0 in layout {MSD}, where every case has both channels; "
            f"not {missing_share}."
        )
    parameters = {
        "version": VERSION,
        "kind": "prostate",
        "num_cases": num_cases,
        "seed": seed,
        "size": [int(voxels) for voxels in size],
        "spacing_mm": [float(edge) for edge in spacing_mm],
        "layout": layout,
        "missing_share": missing_share,
    }
    folder = Path(output_dir)
    cases = {f"Phantom_{index:03d}": _present(missing_share, seed, index) for index in range(num_cases)}
    files = [file for case, present in cases.items() for file in _files(case, layout, present).values()]
    files += ["dataset.json"] if layout == MSD else []
    if not start_folder(folder, parameters, files, README.replace("{layout}", layout)):
        return folder
    for index, (case, present) in enumerate(cases.items()):
        for key, (volume, affine) in _volumes(index, seed, size, spacing_mm, layout).items():
            if key in ("image", "label", *present):
                write_nifti(folder / _files(case, layout, present)[key], volume, affine)
    if layout == MSD:
        about = {"name": "PROSTATE phantoms", "description": "Painted phantoms of prostates; no patients"}
        listed = [_files(case, MSD, present) for case, present in cases.items()]
        write_msd_listing(folder, about, ("T2", "ADC"), ("background", "PZ", "TZ"), listed)
    return folder


def _present(missing_share: float, seed: int, index: int) -> tuple[str, ...]:
    """Draw which modalities a case has: mostly both, else one."""
    generator = np.random.default_rng((seed, index, 9))
    if generator.random() >= missing_share:
        return PROSTATE_MODALITIES
    return (PROSTATE_MODALITIES[generator.integers(2)],)


def _files(case: str, layout: str, present: Sequence[str]) -> dict[str, str]:
    """Return {modality, "image" (both channels) or "label": path within the data set}."""
    if layout == MSD:
        return {"image": f"imagesTr/{case}.nii.gz", "label": f"labelsTr/{case}.nii.gz"}
    return {**{name: f"{case}/{name}.nii.gz" for name in present}, "label": f"{case}/{LABEL_FILE}.nii.gz"}


def _volumes(
    index: int, seed: int, size: Sequence[int], spacing_mm: Sequence[float], layout: str
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return what the files of a case hold, and their affines."""
    affine = prostate_affine(size, spacing_mm)
    both = layout == MSD
    painted = paint_prostate(index, seed, size, affine, PROSTATE_MODALITIES if both else ("t2",))
    volumes = {"label": (np.array(LABEL_VALUES[layout], np.uint8)[painted["label"]], affine)}
    if both:
        image = np.stack([painted[name] for name in PROSTATE_MODALITIES], axis=-1)
        return volumes | {"image": (image, affine)}
    coarse = [-(-size[0] // ADC_PIXELS), -(-size[1] // ADC_PIXELS), size[2]]
    own_affine = prostate_affine(coarse, (ADC_PIXELS * spacing_mm[0], ADC_PIXELS * spacing_mm[1], spacing_mm[2]))
    own = paint_prostate(index, seed, coarse, own_affine, ("adc",))
    return volumes | {"t2": (painted["t2"], affine), "adc": (own["adc"], own_affine)}
