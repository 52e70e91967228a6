"""Headings of a merged table: which columns of an evaluation they show, and in which unit."""

from __future__ import annotations

from typing import NamedTuple

from pandas import DataFrame

from ci.experiments.evaluation_files import CLASS_SCORE, MEAN_ROW, POOLED_ROW, POOLED_SCORE
from shared.errors import InputError

__all__ = ["Heading", "Headings", "describe", "headings_for", "score"]


class Heading(NamedTuple):
    """A column of a merged table: the mean of some columns of an evaluation, times a factor."""

    columns: list[str]
    factor: float = 100.0
    decimals: int = 2


Headings = dict[str, Heading]

POOLED_HEADINGS = {
    "class accuracy": Heading(["class_correct"]),
    "pixel accuracy": Heading(["pixel_accuracy"]),
    "object F1": Heading(["object_f1"]),
    "object Dice": Heading(["object_dice"]),
    "object Hausdorff (um)": Heading(["object_hausdorff_um"], factor=1.0),
}
MASK_AND_CLASS_HEADINGS = {
    "lesion IoU": Heading(["iou"]),
    "lesion Dice": Heading(["dice"]),
    "sensitivity": Heading(["sensitivity"]),
    "precision": Heading(["precision"]),
    "class accuracy": Heading(["class_correct"]),
    "class F1": Heading(["macro_f1"]),
    "class AUC": Heading(["auc"]),
    "class precision": Heading(["macro_precision"]),
}


def headings_for(names: list[str]) -> Headings:
    """Choose the headings for an evaluation's columns.

    Evaluations of objects and of mask and class have fixed headings. Others have Dice of every region, their mean
    first, then one distance and the calibration error.
    """
    if POOLED_SCORE in names:
        return POOLED_HEADINGS
    if CLASS_SCORE in names:
        return MASK_AND_CLASS_HEADINGS
    dice = [name for name in names if name.startswith("dice_")]
    averaged = [name for name in dice if "_pp" not in name]  # ET_pp500 repeats ET
    headings = {}
    if len(averaged) > 1:
        headings["mean of " + "/".join(name.removeprefix("dice_") for name in averaged)] = Heading(averaged)
    headings |= {name.removeprefix("dice_"): Heading([name]) for name in dice}
    distances = [name for name in names if name.startswith("hausdorff_95_mm_")][:1]
    for name in distances:
        headings[f"HD95 {name.removeprefix('hausdorff_95_mm_')} (mm)"] = Heading([name], factor=1.0)
    if "expected_calibration_error" in names:
        headings["ECE"] = Heading(["expected_calibration_error"], factor=1.0, decimals=4)
    if not headings:
        raise InputError(f"columns {', '.join(names)}: none is a Dice, a distance or a calibration error.")
    return headings


def score(runs: DataFrame, headings: Headings) -> DataFrame:
    """Return the headings' scores of every run; where a heading has several columns, their mean."""
    return DataFrame({name: heading.factor * runs[heading.columns].mean(axis=1) for name, heading in headings.items()})


def describe(names: list[str], num_cases: int, rows: str | None) -> tuple[str, str, str]:
    """Return what the scores are of, the label of the figure's axis, and the note below the table."""
    cases = f"Cases: {num_cases}"
    runs = "mean over runs (smallest to largest run)."
    if POOLED_SCORE in names:
        cases = f"{cases}, {rows or POOLED_ROW}"
        return cases, "score x 100", f"{cases}. Accuracies, F1 and Dice x 100, {runs}"
    if CLASS_SCORE in names:
        of_masks = {MEAN_ROW: "means over images with a lesion", POOLED_ROW: "over the pixels of images with a lesion"}
        lesion = of_masks.get(rows or MEAN_ROW, rows)
        of_class = "over all images, F1, AUC and precision as means over classes"
        return cases, "score x 100", f"{cases}. Mask: {lesion}; class: {of_class}. All x 100, {runs}"
    return cases, "Dice x 100", f"{cases}. Dice x 100, mean over cases and runs (smallest to largest run)."
