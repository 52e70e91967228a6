"""Figures of a classification: confusion matrix, ROC curves, reliability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..metrics.class_scores import roc_points

__all__ = ["draw_confusion", "draw_reliability", "draw_roc"]


def draw_confusion(path: Path, counts: np.ndarray, class_names: Sequence[str], title: str) -> None:
    """Draw a confusion matrix (K, K), true classes as rows: counts, shaded by their share of the row."""
    from matplotlib.figure import Figure

    side = 2.2 + 0.9 * len(class_names)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    ax = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shades = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        text = f"{counts[row, column]}\n{100 * share:.0f} %" if counts[row].any() else "0"
        colour = "white" if share > 0.6 else "black"
        ax.text(column, row, text, ha="center", va="center", color=colour, fontsize=11)
    ax.set_xticks(range(len(class_names)), class_names)
    ax.set_yticks(range(len(class_names)), class_names, rotation=90, va="center")
    ax.set_xlabel("predicted class")
    ax.set_ylabel("true class")
    figure.colorbar(shades, ax=ax, label="share of the true class", shrink=0.8)
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def draw_roc(
    path: Path, true: np.ndarray, probabilities: np.ndarray, areas: np.ndarray, class_names: Sequence[str], title: str
) -> None:
    """Draw the ROC curve of every class against the others, as far as its area is known.

    Args:
        path: of the PNG.
        true: (N,), classes.
        probabilities: (N, K).
        areas: (K,), under the curves; NaN for none.
        class_names: K names.
        title: heading.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 5.4), layout="constrained")
    ax = figure.subplots()
    ax.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1, label="guessing")
    for number in np.flatnonzero(~np.isnan(areas)):
        of_class = true == number
        label = f"{class_names[number]}, {of_class.sum()} of {len(true)}: {areas[number]:.3f}"
        ax.plot(*roc_points(of_class, probabilities[:, number]), label=label, color=f"C{number}")
    ax.set_xlabel("false positive rate")
    ax.set_ylabel("true positive rate")
    ax.set_aspect("equal")
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.grid(alpha=0.3)
    ax.legend(loc="lower right", title="class against the others: area", fontsize=9, title_fontsize=9)
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def draw_reliability(path: Path, panels: Mapping[str, np.ndarray], title: str) -> None:
    """Draw how often predictions are right against how confident they are, and how many are that confident.

    Args:
        path: of the PNG.
        panels: a panel's title to its bins (M, 3), see `shared.metrics.calibration_bins`.
        title: heading.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(0.6 + 4.4 * len(panels), 5.6), layout="constrained")
    axes = figure.subplots(2, len(panels), height_ratios=[4, 1], squeeze=False, sharex=True)
    for (above, below), (name, bins) in zip(axes.T, panels.items(), strict=True):
        predictions, confidence, right = bins[bins[:, 0] > 0].T
        above.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1, label="calibrated")
        above.plot(confidence / predictions, right / predictions, marker="o", color="tab:blue", label="found")
        above.set_ylabel("share that is right")
        above.set_ylim(-0.02, 1.02)
        above.set_title(name, fontsize=10)
        above.grid(alpha=0.3)
        above.legend(loc="upper left", fontsize=9)
        middles = (np.arange(len(bins)) + 0.5) / len(bins)
        below.bar(middles, bins[:, 0] / bins[:, 0].sum(), width=0.9 / len(bins), color="tab:blue")
        below.set_xlim(-0.02, 1.02)
        below.set_ylim(0, 1)
        below.set_ylabel("share of all")
        below.set_xlabel("confidence")
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=120, metadata={"Software": None})
