"""Compare painted brains with real ones: mean and deviation by class and tissue, volumes.

Real cases and painted ones go through the preparation of the brain bundles. White matter, grey matter and fluid are
told apart by the brightness of T1 outside the tumour, in both in the same way: a stand-in for a segmentation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from shared.data import find_mri_cases
from shared.errors import InputError
from shared.phantoms import BRAIN_MODALITIES, BrainPainter
from shared.reports.score_table import markdown_table, markdown_text, write_report
from shared.transforms import LoadImageModalitiesd, PrepareBraind

if TYPE_CHECKING:
    from pandas import DataFrame

CLASSES = {1: "necrosis, non-enhancing", 2: "oedema", 3: "enhancing"}
TISSUES = ("dark in T1", "middle in T1", "bright in T1")
LEAST_VOXELS = 20
STRETCHED = 25000  # brightest value: some cases of BraTS 2018 are stretched to the end of the scale


def moments_of(image: np.ndarray, label: np.ndarray, spacing_mm: Sequence[float]) -> dict[tuple[str, str], float]:
    """Return {(region, quantity): number} of one case.

    Args:
        image: (M, x, y, z) in the order of `BRAIN_MODALITIES`, normalised, 0 outside the brain.
        label: (x, y, z), classes.
        spacing_mm: edges of a voxel.
    """
    brain = (image != 0).any(axis=0)
    millilitres = float(np.prod(spacing_mm)) / 1000
    regions = {name: label == number for number, name in CLASSES.items()} | _tissues(image[0], label, brain)
    found = {("brain", "ml"): brain.sum() * millilitres}
    for region, inside in regions.items():
        if region in CLASSES.values():
            found[region, "ml"] = inside.sum() * millilitres
        if inside.sum() < LEAST_VOXELS:
            continue
        for name, volume in zip(BRAIN_MODALITIES, image, strict=True):
            found[region, f"{name} mean"] = float(volume[inside].mean())
            found[region, f"{name} deviation"] = float(volume[inside].std())
    return found


def _tissues(t1: np.ndarray, label: np.ndarray, brain: np.ndarray) -> dict[str, np.ndarray]:
    """Split what is no tumour by the brightness of T1 into three (multi-level Otsu)."""
    from skimage.filters import threshold_multiotsu

    rest = brain & ~ndimage.binary_dilation(label > 0, iterations=2)
    low, high = np.percentile(t1[rest], (1, 99))
    thresholds = threshold_multiotsu(np.clip(t1[rest], low, high), classes=3)
    levels = np.digitize(t1, thresholds, right=True)
    return {name: rest & (levels == number) for number, name in enumerate(TISSUES)}


def moments_table(real: Sequence[Mapping[Any, float]], painted: Sequence[Mapping[Any, float]]) -> DataFrame:
    """Compare moments of real and of painted cases.

    Args:
        real: one `moments_of` per case.
        painted: the same of painted cases.

    Returns:
        A row per region and quantity: mean and deviation over the cases, and how many deviations of the real cases the
        painted mean is off.
    """
    from pandas import DataFrame

    rows = {}
    for key in dict.fromkeys(key for case in (*real, *painted) for key in case):
        there, here = ([case[key] for case in cases if key in case] for cases in (real, painted))
        if there and here:
            off = (np.mean(here) - np.mean(there)) / max(float(np.std(there)), 1e-6)
            rows[", ".join(key)] = {"real": _spread(there), "painted": _spread(here), "off": f"{off:+.1f}"}
    return DataFrame.from_dict(rows, orient="index").rename_axis("region, quantity")


def _spread(values: Sequence[float]) -> str:
    digits = 0 if max(map(abs, values)) >= 20 else 2
    return f"{np.mean(values):.{digits}f} +- {np.std(values):.{digits}f} (n = {len(values)})"


def whole_cases(dataset_dir: str, layout: str) -> list[dict[str, Any]]:
    """Return the cases that have all modalities and a label.

    Raises:
        InputError: there is none.
    """
    items = find_mri_cases(dataset_dir, BRAIN_MODALITIES, layout=layout, needs_label=True)
    whole = [item for item in items if all(name in item for name in BRAIN_MODALITIES) and "unusable" not in item]
    if not whole:
        raise InputError(f"{dataset_dir}: no case has all of {', '.join(BRAIN_MODALITIES)} and a label.")
    return whole


def main(
    *,
    dataset_dir: str,
    out: str,
    num_cases: int = 26,
    seed: int = 0,
    layout: str = "brats2021",
    tumours: str = "mixed",
    spacing_mm: Sequence[float] = (2.0, 2.0, 2.0),
) -> None:
    """Write moments.md and .csv.

    Args:
        dataset_dir: folder of real cases with labels.
        out: folder for the table.
        num_cases: number of painted cases.
        seed: of the painted cases.
        layout: of the real cases.
        tumours: of the painted cases: "mixed" or one kind.
        spacing_mm: edges of a voxel, for both.
    """
    if num_cases < 1:
        raise InputError(f"num_cases: must be at least 1, not {num_cases}.")
    painter = BrainPainter(spacing_mm, tumours=tumours)
    whole = whole_cases(dataset_dir, layout)
    reading = {"modalities": BRAIN_MODALITIES, "spacing_mm": spacing_mm, "resample_label": True}
    prepare_real = PrepareBraind(layout=layout, cases=whole, **reading)
    real = [_measured(prepare_real, item, spacing_mm) for item in whole]
    prepare_painted = PrepareBraind(layout="brats2023", **reading)
    cases = [{"case": f"painted {index}", "painted": partial(painter, (seed, index))} for index in range(num_cases)]
    painted = [_measured(prepare_painted, item, spacing_mm) for item in cases]
    table = moments_table(real, painted)
    stretched = sum(_brightest(item["t1"]) > STRETCHED for item in whole)
    about = (
        f"Z-scores inside the brain and volumes in ml: mean +- deviation over {len(real)} real cases and {num_cases} "
        f"painted ones (seed {seed}, tumours {tumours}). Off: difference of the means in deviations of the real cases. "
        f"{stretched} of the real cases are stretched to the end of the scale (T1 above {STRETCHED})."
    )
    path = Path(out) / "moments"
    write_report(path, table, markdown_text("# Painted brains and real ones", about, markdown_table(table)), None)
    far = int((table["off"].astype(float).abs() >= 1).sum())
    print(f"{far} of {len(table)} moments are one deviation or more apart: {path}.md")


def _measured(prepare: PrepareBraind, item: Mapping[str, Any], spacing_mm: Sequence[float]) -> dict[Any, float]:
    case = prepare(item)
    return moments_of(case["image"].numpy(), case["label"].numpy()[0], spacing_mm)


def _brightest(source: Any) -> float:
    return float(LoadImageModalitiesd("t1")({"t1": source})["t1"].max())
