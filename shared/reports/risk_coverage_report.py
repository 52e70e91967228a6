"""Risk-coverage curves of the voxels, the cases and the images' classes of a calibrated network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax

from ..metrics import logits_at, risk_coverage
from .score_table import markdown_table, markdown_text, write_report

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["write_risk_coverage"]

COVERAGES = tuple(round(0.5 + 0.05 * step, 2) for step in range(11))
NOTE = (
    "error, dice: of the most certain voxels or pixels of every case, all classes but background together, "
    "mean over cases. dice_of_cases: of all of them, mean over the most certain cases."
)
CLASS_NOTE = " class_error: share of wrong classes among the images whose class is most certain."
LABELS = {
    "dice": "Dice, voxels kept",
    "dice_of_cases": "Dice, cases kept",
    "error": "error",
    "class_error": "error of the image's class",
}


def write_risk_coverage(
    path: Path,
    title: str,
    cases: Sequence[Mapping[str, Any]],
    temperature: float | Sequence[float],
    class_temperature: float | None,
) -> None:
    """Write the curves as ``<path>.csv``, ``.md`` and ``.png``.

    Args:
        path: of the files, without suffix.
        title: of the network.
        cases: of `TemperatureReport.score`.
        temperature: of the voxels' logits.
        class_temperature: of the logits of the images' classes; None if no class is known.
    """
    from pandas import DataFrame

    columns, note = _voxels_and_cases(cases, temperature), NOTE
    if class_temperature is not None:
        columns["class_error"], note = _class_error(cases, class_temperature), NOTE + CLASS_NOTE
    table = DataFrame(columns, index=list(COVERAGES)).rename_axis("kept")
    text = markdown_text(f"# {title}: what is left if only the most certain is kept", markdown_table(table), note)
    write_report(path, table, text, partial(_draw, table=table, title=title))


def _voxels_and_cases(
    cases: Sequence[Mapping[str, Any]], temperature: float | Sequence[float]
) -> dict[str, np.ndarray | list[float]]:
    """Return error and Dice of the most certain voxels, and Dice of the most certain cases, per coverage."""
    curves, uncertainties = [], []
    for case in cases:
        scaled = logits_at(case["logits"], temperature)
        uncertainty = 1 - softmax(scaled, axis=1).max(axis=1)
        curves.append(risk_coverage(uncertainty, scaled.argmax(axis=1), case["labels"], COVERAGES))
        uncertainties.append(uncertainty.mean())
    error, dice = np.mean(curves, axis=0).T
    dice_by_certainty = np.array([curve[-1, 1] for curve in curves])[np.argsort(uncertainties)]
    kept = [max(1, round(coverage * len(cases))) for coverage in COVERAGES]
    return {"error": error, "dice": dice, "dice_of_cases": [dice_by_certainty[:count].mean() for count in kept]}


def _class_error(cases: Sequence[Mapping[str, Any]], temperature: float) -> np.ndarray:
    """Return the share of wrong classes among the most certain images, per coverage."""
    known = [case for case in cases if "class" in case]
    probabilities = softmax(np.stack([case["class_logits"] for case in known]) / temperature, axis=1)
    true = np.array([case["class"] for case in known])
    return risk_coverage(1 - probabilities.max(axis=1), probabilities.argmax(axis=1), true, COVERAGES)[:, 0]


def _draw(path: Path, table: DataFrame, title: str) -> None:
    """Draw the columns of the table against the share that is kept."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    ax = figure.subplots()
    for name, label in LABELS.items():
        if name in table:
            ax.plot(table.index, table[name], marker="o", markersize=3, label=label)
    ax.set_xlabel("share kept, most certain first")
    ax.set_ylim(0, 1.02)
    ax.invert_xaxis()
    ax.grid(alpha=0.3)
    ax.legend(frameon=False)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=120, metadata={"Software": None})
