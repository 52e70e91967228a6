"""Paint studies of phantoms, each as DICOM and as NIfTI.

The files are phantoms: painted, of no patient. A study has what a scanner sends: a localizer, the modalities, and
series that are none of them, see `dicom_protocols`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from monai.data.utils import orientation_ras_lps

from ..errors import InputError
from .brain_phantom_scan import paint_case
from .dicom_files import Study, write_series
from .dicom_protocols import BRAIN, PROSTATE, Series
from .mr_contrasts import BRAIN_MODALITIES
from .phantom_folder import start_folder, write_nifti
from .prostate_phantom_scan import PROSTATE_MODALITIES, paint_prostate

__all__ = ["grid_of", "paint_dicom_phantoms"]

VERSION = 1  # raise it whenever the same parameters would give other files
UID = "2.25.301133"  # begins the identifiers of all painted studies
LOCALIZER_SLICES, LOCALIZER_STEP_MM = 3, 15.0
PLANES = {  # direction of columns, rows and slices, in DICOM's axes (left, back, head)
    "axial": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "coronal": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "sagittal": ((0, 1, 0), (0, 0, -1), (1, 0, 0)),
}
README = """These are PHANTOMS: studies that a program painted. No patient was scanned for them, and names, dates and
identifiers in the DICOM files are invented.

Every case is there twice: dicom/ is a study with several series, nifti/ has the same volumes and the label. Nothing
about medicine can be learned from them, and results on them say nothing about patients.

Painted by shared/phantoms/dicom_phantoms.py; the parameters are in {record}. Delete this folder whenever you like.
"""


class _Organ(NamedTuple):
    paint: Callable[..., dict[str, np.ndarray]]
    modalities: Sequence[str]
    series: Sequence[Series]
    size: Sequence[int]
    spacing_mm: Sequence[float]


ORGANS = {
    "prostate": _Organ(paint_prostate, PROSTATE_MODALITIES, PROSTATE, (128, 128, 20), (0.9, 0.9, 3.6)),
    "brain": _Organ(paint_case, BRAIN_MODALITIES, BRAIN, (56, 64, 48), (2.5, 2.5, 2.5)),
}


def paint_dicom_phantoms(
    output_dir: str | os.PathLike,
    organ: str = "prostate",
    num_cases: int = 1,
    seed: int = 0,
    size: Sequence[int] | None = None,
    spacing_mm: Sequence[float] | None = None,
) -> Path:
    """Paint DICOM studies and the same volumes as NIfTI, unless the folder holds exactly these already.

    Args:
        output_dir: folder of the studies; made if missing. `Phantom_000/dicom/04_t2_tse_tra/000.dcm` is a slice,
            `Phantom_000/nifti/t2.nii.gz` the same modality and `Phantom_000/nifti/label.nii.gz` its label.
        organ: "prostate" (T2, ADC, a coronal T2, a diffusion-weighted image, a localizer) or "brain" (T1 with and
            without contrast agent, T2, FLAIR, a subtraction, a localizer).
        num_cases: number of studies.
        seed: number of the data set, 0 or more.
        size: voxels to the left, to the back and to the head; by default as the NIfTI phantoms of the organ.
        spacing_mm: edges of a voxel; by default as there.

    Returns:
        `output_dir`.
    """
    if organ not in ORGANS:
        raise InputError(f"organ {organ!r} is unknown; choose {' or '.join(ORGANS)}.")
    size, spacing_mm = size or ORGANS[organ].size, spacing_mm or ORGANS[organ].spacing_mm
    if num_cases < 1 or seed < 0:
        raise InputError(f"num_cases and seed: must be at least 1 and 0, not {num_cases} and {seed}.")
    if len(size) != 3 or min(size) < 2 or len(spacing_mm) != 3 or min(spacing_mm) <= 0:
        raise InputError(f"size and spacing_mm: three positive numbers each, not {size} and {spacing_mm}.")
    parameters = {
        "version": VERSION,
        "kind": "dicom",
        "organ": organ,
        "num_cases": num_cases,
        "seed": seed,
        "size": [int(voxels) for voxels in size],
        "spacing_mm": [float(edge) for edge in spacing_mm],
    }
    folder = Path(output_dir)
    cases = [f"Phantom_{index:03d}" for index in range(num_cases)]
    nifti = [f"{case}/nifti/{name}.nii.gz" for case in cases for name in (*ORGANS[organ].modalities, "label")]
    if not start_folder(folder, parameters, nifti, README):
        return folder
    for index, case in enumerate(cases):
        _paint_study(folder / case, ORGANS[organ], index, seed, size, spacing_mm)
    return folder


def grid_of(plane: str, size: Sequence[int], spacing_mm: Sequence[float]) -> np.ndarray:
    """Voxel to world (4, 4) in NIfTI's axes, of slices in a plane as viewers show them; the middle is the origin.

    Args:
        plane: one of `PLANES`.
        size: columns, rows, slices.
        spacing_mm: edges of a voxel along them.
    """
    affine = np.eye(4)
    affine[:3, :3] = np.transpose(PLANES[plane]) * np.asarray(spacing_mm, dtype=float)
    affine = orientation_ras_lps(affine)
    affine[:3, 3] = -affine[:3, :3] @ ((np.asarray(size) - 1) / 2)
    return affine + 0.0  # no -0


def _paint_study(
    folder: Path, organ: _Organ, index: int, seed: int, size: Sequence[int], spacing_mm: Sequence[float]
) -> None:
    """Paint one study, the NIfTI files last: `paint_dicom_phantoms` looks for them."""

    def painted(grid: np.ndarray, shape: Sequence[int]) -> dict[str, np.ndarray]:
        return organ.paint(index, seed=seed, size=tuple(shape), affine=grid)

    number = 2 * ((seed << 16) + index) + (organ is ORGANS["brain"])
    study = Study(f"{UID}.{number}", f"{UID}.{number}.0", f"Phantom^Painted {index}", f"PHANTOM-{seed}-{index}")
    axial = grid_of("axial", size, spacing_mm)
    volumes = painted(axial, size)
    for series in organ.series:
        planes = PLANES if series.plane == "localizer" else (series.plane,)
        for part, plane in enumerate(planes):
            if plane == "axial" and series.plane != "localizer":
                grid, shown = axial, volumes
            else:
                slices, step = (LOCALIZER_SLICES, LOCALIZER_STEP_MM) if len(planes) > 1 else (size[2], spacing_mm[2])
                shape = (size[0], size[1], slices)
                grid = grid_of(plane, shape, (*spacing_mm[:2], step))
                shown = painted(grid, shape)
            write_series(
                folder / "dicom" / f"{series.number:02}_{series.description}",
                _image(series.shows, shown),
                grid,
                series.number,
                series.description,
                study=study,
                prefix=f"{plane}_" if len(planes) > 1 else "",
                first=1 + part * LOCALIZER_SLICES,
                **series.tags,
            )
    for name in (*organ.modalities, "label"):
        write_nifti(folder / "nifti" / f"{name}.nii.gz", volumes[name], axial)


def _image(shows: str | int, painted: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return a modality, or the diffusion-weighted image of a b-value: S = S0 exp(-b ADC)."""
    if isinstance(shows, str):
        return painted[shows]
    return np.rint(painted["t2"] * np.exp(-shows * 1e-6 * painted["adc"])).astype(np.int16)
