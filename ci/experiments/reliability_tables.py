"""Tables and figure of `python -m ci reliability`: what the scores of experts have to do with their Dice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas
from pandas import DataFrame
from scipy.stats import spearmanr

from ci.experiments.corruptions import UNTOUCHED

__all__ = ["NOTES", "correlations", "draw", "effects", "rank_correlation"]

SCORES = {"agreement": "agreement", "agreement_in_region": "agreement in the region", "weight": "weight"}
NOTES = (
    "Spearman's rank correlation of a score with the expert's own Dice: over all experts of all cases / within a case "
    "(mean of the cases where both differ between experts).",
    "The spoilt expert, before and after, and the share of cases in which its score is the lowest after:",
)


def rank_correlation(table: DataFrame, score: str) -> float:
    """Return Spearman's correlation of a score with Dice; NaN with fewer than three experts, or if one is constant."""
    pairs = table[[score, "dice"]].dropna().round(6)
    if len(pairs) < 3 or (pairs.nunique() < 2).any():
        return float("nan")
    return float(spearmanr(pairs[score], pairs["dice"]).statistic)


def correlations(table: DataFrame) -> DataFrame:
    """Return the rank correlations as text, a row per corruption, a column per score."""
    rows = {}
    for corruption, part in table.groupby("corruption", sort=False):
        cases = [case for _, case in part.groupby(["training", "case"])]
        row = {"experts": str(len(part)), "cases": str(len(cases))}
        for score, words in SCORES.items():
            within = pandas.Series([rank_correlation(case, score) for case in cases], dtype=float).mean()
            row[words] = f"{rank_correlation(part, score):.2f} / {within:.2f}"
        rows[corruption] = row
    return DataFrame(rows).T.rename_axis("spoilt by")


def effects(table: DataFrame) -> DataFrame:
    """Return what spoiling does to the spoilt expert, as text, a row per corruption, a column per score."""
    key = ["training", "case", "modality"]
    before, rows = table[table["corruption"] == UNTOUCHED].set_index(key), {}
    for corruption, part in table[table["spoilt"] != ""].groupby("corruption", sort=False):
        after = part[part["spoilt"] == part["modality"]].set_index(key)
        lowest = part.groupby(["training", "case"])[["dice", *SCORES]].min()
        row = {"cases": str(len(after))}
        for score, words in {"dice": "Dice", **SCORES}.items():
            smallest = lowest[score].reindex(after.index.droplevel("modality")).to_numpy()
            share = np.mean(np.isclose(after[score], smallest, rtol=0, atol=1e-6))
            mean_before = before.loc[after.index, score].mean()
            row[words] = f"{mean_before:.3f} to {after[score].mean():.3f}, lowest in {share:.0%}"
        rows[corruption] = row
    return DataFrame(rows).T.rename_axis("spoilt by")


def draw(path: Path, table: DataFrame) -> None:
    """Draw a panel per score: it against the expert's Dice, a colour per modality, crosses for spoilt experts."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(SCORES), 4.2), layout="constrained")
    spoilt = table["spoilt"] == table["modality"]
    for ax, (score, words) in zip(figure.subplots(1, len(SCORES)), SCORES.items(), strict=True):
        for number, (name, part) in enumerate(table.groupby("modality", sort=False)):
            as_it_is, broken = part[part["corruption"] == UNTOUCHED], part[spoilt[part.index]]
            ax.scatter(as_it_is[score], as_it_is["dice"], s=14, color=f"C{number}", label=name)
            ax.scatter(broken[score], broken["dice"], s=22, color=f"C{number}", marker="x", label=f"{name}, spoilt")
        ax.set_xlabel(words)
        ax.grid(alpha=0.3)
        ax.set_ylabel("Dice of the expert" if score == "agreement" else "")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    figure.savefig(path, dpi=110, metadata={"Software": None})
