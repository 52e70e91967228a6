"""Merge the gradient statistics of several trainings into one table and one figure.

    python -m ci gradients --out gradients ours=ours/seed0/gradients.csv "curriculum=curriculum/seed*/gradients.csv"

writes gradients.md and gradients.png and prints the first: relative variance of the gradient, cosine between the
gradients of the fuzzy and of the main loss (`shared.handlers.GradientStatistics`), per third of the epochs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas
from pandas import DataFrame

from ci.experiments.evaluation_files import named_paths
from ci.experiments.run_spread import method_rows, over_runs
from shared.atomic_write import atomic_write
from shared.errors import InputError
from shared.reports.score_table import markdown_table, markdown_text

SCORES = {"relative_variance": "relative variance of the gradient", "cosine": "cosine of fuzzy and main gradient"}
THIRDS = ("first third", "middle third", "last third")
Methods = dict[str, list[DataFrame]]  # method to the tables of its trainings, a row per epoch


def read_course(path: str) -> DataFrame:
    """Read a file."""
    try:
        course = pandas.read_csv(path)[["epoch", *SCORES]].astype(float)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path}: is not a table of gradients; correct the path, or train again.") from error
    if len(course) < len(THIRDS):
        raise InputError(f"{path}: has {len(course)} epochs; there must be three or more.")
    return course


def medians(course: DataFrame) -> DataFrame:
    """Median of the scores over the epochs of each third of a training; a mean would follow its few largest values."""
    thirds = zip(THIRDS, np.array_split(np.arange(len(course)), len(THIRDS)), strict=True)
    return DataFrame({name: course.iloc[epochs][list(SCORES)].median() for name, epochs in thirds})


def markdown(methods: Methods) -> str:
    """Write a row per method and score, a column per third."""
    parts = []
    for score, words in SCORES.items():
        runs = [medians(course).loc[score].rename(method) for method, found in methods.items() for course in found]
        table = over_runs(DataFrame(runs)).assign(within_spread_of_first=False)
        parts.append(method_rows(table, dict.fromkeys(THIRDS, ".3g")).reset_index(names="method").assign(score=words))
    note = "Medians over the epochs of a third; mean over runs (smallest to largest run). Gradient of the last layer."
    return markdown_text(markdown_table(pandas.concat(parts).set_index("score").rename_axis("")), note)


def draw(path: Path, methods: Methods) -> None:
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
    found = named_paths(runs, "gradients.csv")
    methods = {method: [read_course(path) for path in paths] for method, paths in found.items()}
    text = markdown(methods)
    with atomic_write(f"{out}.md") as path:
        path.write_text(text, encoding="utf-8")
    with atomic_write(f"{out}.png") as path:
        draw(path, methods)
    print(text, end="")
