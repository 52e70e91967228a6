"""The small data set that every bundle's tiny.json trains on."""

from __future__ import annotations

import json
from pathlib import Path

from shared.phantoms import paint_brats_phantoms, paint_breast_phantoms, paint_gland_phantoms, paint_prostate_phantoms

PAINTERS = {  # by the first word of a bundle's name
    "brats": (paint_brats_phantoms, {"num_cases": 6, "size": (20, 24, 18), "spacing_mm": (7.0, 7.0, 7.0)}),
    "prostate": (paint_prostate_phantoms, {"num_cases": 6, "size": (24, 26, 14), "spacing_mm": (4.0, 4.0, 5.0)}),
    "breast": (paint_breast_phantoms, {"num_normal": 4, "num_benign": 6, "num_malignant": 4, "size": (96, 128)}),
    "colon": (
        paint_gland_phantoms,
        {"num_train": 6, "num_test_a": 2, "num_test_b": 1, "size": (120, 160), "pixel_size_um": 1.24},
    ),
}


def paint_tiny_phantoms(bundle: Path, folder: Path, num_cases: int | None = None) -> Path:
    """Paint them into a folder, brains with missing modalities where the bundle takes several, and return it.

    In the layout of the prostates every case has all channels.

    `num_cases` is another number of cases than usual, for the kinds that have one.
    """
    paint, options = PAINTERS[bundle.name.split("_")[0]]
    modalities = json.loads((bundle / "configs" / "train.json").read_text()).get("modalities", [])
    missing = {"missing_share": 0.3} if len(modalities) > 1 and paint is paint_brats_phantoms else {}
    fewer = {"num_cases": num_cases} if num_cases and "num_cases" in options else {}
    paint(output_dir=str(folder), **options | missing | fewer)
    return folder
