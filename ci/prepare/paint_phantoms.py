"""Paint a small data set of phantoms: brains, glands, breasts, prostates or DICOM studies.

`--kind brain` (the default) paints brain tumours on real anatomy, `--kind ellipsoid` brains of ellipsoids, small and
quick, `--kind gland` colon glands, `--kind breast` breast ultrasound, `--kind prostate` T2 and ADC of prostates,
`--kind dicom` studies of prostates or brains. A second run finds them painted and does nothing.
"""

from __future__ import annotations

import inspect
from typing import Any

from shared.errors import InputError
from shared.phantoms import (
    paint_brain_phantoms,
    paint_brats_phantoms,
    paint_breast_phantoms,
    paint_dicom_phantoms,
    paint_gland_phantoms,
    paint_prostate_phantoms,
)

KINDS = {
    "brain": paint_brain_phantoms,
    "ellipsoid": paint_brats_phantoms,
    "gland": paint_gland_phantoms,
    "breast": paint_breast_phantoms,
    "prostate": paint_prostate_phantoms,
    "dicom": paint_dicom_phantoms,
}


def main(*, out: str, kind: str = "brain", **options: Any) -> None:
    """Paint phantoms.

    Options of kind brain: num_cases; seed (another one gives other cases); spacing_mm (edges of a voxel, 1 mm or more,
    as "[2,2,2]"); size (voxels along the three axes, as "[80,96,82]"; by default as many as a head needs); layout
    (brats2021, brats2023 or msd); modalities (modalities to paint, as "[t1,flair]"); missing_share (probability that a
    case lacks some of them); tumours (mixed, high_grade, low_grade, metastases, meningioma or treated).

    Options of kind ellipsoid: the same, but for tumours (glioma, thin_rims or metastases).

    Options of kind gland: num_train, num_test_a, num_test_b (images per part); seed; size (rows and columns, as
    "[261,387]"); pixel_size_um (edge of a pixel); suffix (bmp or png).

    Options of kind breast: num_normal, num_benign, num_malignant (images per class); seed; size (rows and columns, as
    "[192,256]").

    Options of kind prostate: num_cases; seed; size (voxels along the three axes, as "[128,128,20]"); spacing_mm (edges
    of a voxel, as "[0.9,0.9,3.6]"); layout (msd or prostate158); missing_share (probability that a case lacks T2 or
    ADC; layout prostate158).

    Options of kind dicom: organ (prostate or brain); num_cases; seed; size (voxels to the left, to the back and to the
    head); spacing_mm (edges of a voxel). Every study is there as DICOM and as NIfTI.

    Args:
        out: folder of the data set.
        kind: brain, ellipsoid, gland, breast, prostate or dicom.
        options: of the kind.
    """
    if kind not in KINDS:
        raise InputError(f"kind {kind!r} is unknown; choose {' or '.join(KINDS)}.")
    signature = inspect.signature(KINDS[kind])
    known = [name for name in signature.parameters if name not in ("output_dir", "affine")]
    if unknown := [name for name in options if name not in known]:
        raise InputError(f"option --{unknown[0]} is unknown for kind {kind}; choose from {', '.join(known)}.")
    given = signature.bind(str(out), **options)
    given.apply_defaults()
    folder = KINDS[kind](**given.arguments)
    number = sum(value for name, value in given.arguments.items() if name.startswith("num_"))
    print(f"{number} phantoms (painted, no patients) are in {folder}")
