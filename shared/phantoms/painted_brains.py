"""Paint brain-tumour data sets on real anatomy, in the layouts of BraTS and the Medical Segmentation Decathlon."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .brain_layouts import checked_parameters, write_brains
from .mni_maps import ATLAS, ATLAS_TERMS
from .mr_contrasts import BRAIN_MODALITIES
from .painted_brain import MIXED, check_brain, head_size, paint_brain

__all__ = ["paint_brain_phantoms"]

VERSION = 2  # raise it whenever the same parameters would give other files
README = f"""These are PAINTED BRAINS: a program made the heads, the tumours and the images. No patient was scanned.

They have the files, names and label values of real data ({{layout}}). The anatomy is that of the {ATLAS}, bent at
random; the tumours are invented; brightness is drawn from ranges that hold what was measured in 13 patients of BraTS
2018. A result on painted brains is not a result on patients.

Painted by shared/phantoms/painted_brains.py; the parameters are in {{record}}. Delete this folder whenever you like.

Terms of the atlas: {ATLAS_TERMS}
"""


def paint_brain_phantoms(
    output_dir: str | os.PathLike,
    num_cases: int = 24,
    seed: int = 0,
    size: Sequence[int] | None = None,
    spacing_mm: Sequence[float] = (2.0, 2.0, 2.0),
    layout: str = "brats2021",
    modalities: str | Sequence[str] = BRAIN_MODALITIES,
    missing_share: float = 0.0,
    tumours: str = MIXED,
) -> Path:
    """Paint a data set of brains with tumours, unless the folder holds exactly this one already.

    Case i is the same, byte for byte, in every data set of the same seed and grid. A folder that holds anything else,
    be it phantoms painted with other parameters, is refused.

    Args:
        output_dir: folder of the data set; made if missing.
        num_cases: number of cases, `Phantom_000` and on.
        seed: number of the data set, 0 or more.
        size: voxels along the three axes; by default as many as hold every head (160 x 192 x 164 mm).
        spacing_mm: edges of a voxel, 1 mm or more.
        layout: "brats2021" (`Phantom_000/Phantom_000_t1ce.nii.gz`, enhancing tumour = 4), "brats2023"
            (`Phantom_000/Phantom_000-t1c.nii.gz`, 3) or "msd" (`dataset.json`, 4D images).
        modalities: which of "t1", "t1ce", "t2", "flair" to paint; each looks the same without the others.
        missing_share: probability that a case lacks some of these modalities, at random; it keeps one at least.
        tumours: "mixed", or one kind: "high_grade" or "low_grade" (gliomas), "metastases", "meningioma", "treated".

    Returns:
        `output_dir`.
    """
    checked = checked_parameters(
        num_cases=num_cases,
        seed=seed,
        size=head_size(spacing_mm) if size is None else size,
        spacing_mm=spacing_mm,
        layout=layout,
        modalities=modalities,
        missing_share=missing_share,
    )
    grid, size = np.array(checked["affine"]), checked["size"]
    check_brain(grid, checked["modalities"], tumours)
    parameters = {"painter": "painted_brains", "version": VERSION, **checked, "tumours": tumours}

    def paint(index: int, present: Sequence[str]) -> dict[str, np.ndarray]:
        return paint_brain((seed, index), size=size, affine=grid, modalities=present, tumours=tumours)

    return write_brains(Path(output_dir), parameters, README, paint)
