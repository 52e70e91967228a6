"""Merge the gradient statistics of several trainings into one table and one figure.

    python -m ci gradients --out gradients ours=ours/seed0/gradients.csv "curriculum=curriculum/seed*/gradients.csv"

writes gradients.md and gradients.png and prints the first: relative variance of the gradient, cosine between the
gradients of the fuzzy and of the main loss (`shared.handlers.GradientStatistics`), per third of the epochs.
"""

from __future__ import annotations

import csv
import glob
from pathlib import Path

import numpy as np

from shared.atomic_write import atomic_write
from shared.errors import InputError
from shared.reports.score_table import markdown_table

SCORES = {"relative_variance": "relative variance of the gradient", "cosine": "cosine of fuzzy and main gradient"}
THIRDS = ("first third", "middle third", "last third")
Course = dict[str, np.ndarray]  # a column's name to a number per epoch


def read_course(path: str) -> Course:
    """Read a file."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        course = {name: np.array([float(row[name] or "nan") for row in rows]) for name in ("epoch", *SCORES)}
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path}: is not a table of gradients; correct the path, or train again.") from error
    if len(rows) < len(THIRDS):
        raise InputError(f"{path}: has {len(rows)} epochs; there must be three or more.")
    return course


def read_methods(arguments: tuple[str, ...]) -> dict[str, list[Course]]:
    """Read "method=path,path": the course of every training of every method; wildcards are allowed."""
    methods: dict[str, list[Course]] = {}
    for argument in arguments:
        method, _, parts = str(argument).partition("=")
        if not parts or method in methods:
            raise InputError(f"{argument}: write method=gradients.csv,gradients.csv, and every method once.")
        paths = [path for part in parts.split(",") for path in sorted(glob.glob(part)) or [part]]
        methods[method] = [read_course(path) for path in paths]
    if not methods:
        raise InputError("nothing to merge; write method=gradients.csv, once for every method.")
    return methods


def medians(course: Course, score: str) -> np.ndarray:
    """Median over the epochs of each third of a training; a mean would follow its few largest values."""
    thirds = np.array_split(course[score], len(THIRDS))
    return np.array([np.nanmedian(third) if not np.isnan(third).all() else np.nan for third in thirds])


def markdown(methods: dict[str, list[Course]]) -> str:
    """Write a row per method and score, a column per third."""
    rows = []
    for score, words in SCORES.items():
        for method, courses in methods.items():
            runs = np.stack([medians(course, score) for course in courses])
            cells = [_cell(third) for third in runs.T]
            rows.append([words, method, str(len(runs)), *cells])
    table = markdown_table(["", "method", "runs", *THIRDS], rows)
    note = "Medians over the epochs of a third; mean over runs (smallest to largest run). Gradient of the last layer."
    return "\n".join([*table, "", note, ""])


def _cell(runs: np.ndarray) -> str:
    mean, low, high = (f"{number:.3g}" for number in (runs.mean(), runs.min(), runs.max()))
    return mean + (f" ({low} to {high})" if len(runs) > 1 else "")


def draw(path: Path, methods: dict[str, list[Course]]) -> None:
    """Draw a panel per score: a thin line per training, a thick one for the mean of a method's."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6 * len(SCORES), 4), layout="constrained")
    axes = figure.subplots(1, len(SCORES))
    for ax, (score, words) in zip(axes, SCORES.items(), strict=True):
        for number, (method, courses) in enumerate(methods.items()):
            for course in courses:
                ax.plot(course["epoch"], course[score], color=f"C{number}", linewidth=0.8, alpha=0.4)
            shortest = min((course["epoch"] for course in courses), key=len)
            mean = np.mean([course[score][: len(shortest)] for course in courses], axis=0)
            ax.plot(shortest, mean, color=f"C{number}", linewidth=2, label=method if ax is axes[0] else None)
        ax.set_title(words)
        ax.set_xlabel("epoch")
        ax.grid(alpha=0.3)
    axes[0].set_yscale("log")
    axes[1].axhline(0, color="black", linewidth=0.8)
    axes[1].set_ylim(-1.05, 1.05)
    figure.legend(loc="outside right upper", frameon=False)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def main(*runs: str, out: str) -> None:
    """Merge the gradients' courses.

    Args:
        runs: "method=path,path,...": gradients.csv files, one per training (wildcards allowed).
        out: where the table is written, without suffix.
    """
    methods = read_methods(runs)
    text = markdown(methods)
    with atomic_write(f"{out}.md") as path:
        path.write_text(text, encoding="utf-8")
    with atomic_write(f"{out}.png") as path:
        draw(path, methods)
    print(text, end="")
