"""Fit the temperature of a network, and report what it changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from ignite.engine import Engine
from scipy.special import softmax

from ..errors import InputError
from ..metrics import (
    calibration_bins,
    error_of_bins,
    fit_temperature,
    fit_temperatures,
    logits_at,
    mean_negative_log_likelihood,
    risk_coverage,
)
from .class_figures import draw_reliability
from .evaluation_writer import EvaluationWriter
from .score_table import count_cases, markdown_table, markdown_text, write_report
from .temperature_file import write_temperature

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["TemperatureReport"]

COVERAGES = tuple(round(0.5 + 0.05 * step, 2) for step in range(11))


class TemperatureReport(EvaluationWriter):
    """Fit one temperature to the voxels or pixels of all cases, write it next to the weights, and report.

    Where images have a class as a whole, its logits get a temperature of their own, from the images of known class.

    - ``<weights>.temperature.json``: see `find_temperature`;
    - ``calibration.csv``, ``.md``, ``.png``: negative log-likelihood and expected calibration error before and after,
      reliability;
    - ``risk_coverage.csv``, ``.md``, ``.png``: error and Dice of the most certain voxels of a case, mean over cases;
      and mean Dice of the most certain cases.

    Runs in one process, on the output of `SampleLogitsd` or `SamplePictureLogitsd`.

    Args:
        output_dir: folder for the reports.
        ckpt_path: the weights.
        title: heading.
        per_class: one temperature for each class of the voxels; see `fit_temperatures`.
    """

    def __init__(self, output_dir: str, ckpt_path: str, title: str, per_class: bool = False) -> None:
        super().__init__(output_dir, title, notes=())
        self.ckpt_path = ckpt_path
        self.fit = fit_temperatures if per_class else fit_temperature

    def score(self, item: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
        """Return logits (N, C) and classes (N,) of a case; of an image of known class, also its logits and class."""
        logits, labels = result["pred"].T.double().numpy(), result["label"].numpy()
        case = {"case": str(item["case"]), "logits": logits, "labels": labels}
        if "image_class" in result:
            case["class_logits"] = result["class_logits"].double().numpy()
            case["class"] = int(result["image_class"])
        return case

    def write(self, engine: Engine) -> None:
        """Fit, and write all files.

        Raises:
            InputError: there is no case.
        """
        from pandas import DataFrame

        if not self.cases:
            raise InputError("no case to calibrate on; choose another --calibrate_part.")
        logits, labels = (np.concatenate([case[name] for case in self.cases]) for name in ("logits", "labels"))
        temperature = self.fit(logits, labels)
        rows, panels = _before_and_after(logits, labels, temperature)
        details: dict[str, Any] = {**rows, "cases": len(self.cases), "voxels": len(labels)}
        known = [case for case in self.cases if "class" in case]
        if known:
            of_images = np.stack([case["class_logits"] for case in known]), np.array([case["class"] for case in known])
            of_class = fit_temperature(*of_images)
            class_rows, class_panels = _before_and_after(*of_images, of_class)
            class_rows, class_panels = (
                {f"class of the image, {name}": value for name, value in part.items()}
                for part in (class_rows, class_panels)
            )
            rows, panels = rows | class_rows, panels | class_panels
            details |= {"class_temperature": of_class, "images": len(known), **class_rows}
        table = DataFrame.from_dict({name: _columns(row) for name, row in rows.items()}, orient="index")
        table = table.rename_axis("calibration")
        file = write_temperature(self.ckpt_path, temperature, details)
        note = f"{count_cases(len(self.cases))}, {len(labels)} voxels or pixels. Written: {file.name}."
        text = markdown_text(f"# {self.title}: calibration", markdown_table(table), note)
        words = ", ".join(f"{number:.3f}" for number in np.atleast_1d(temperature))
        draw = partial(draw_reliability, panels=panels, title=f"{self.title}: temperature {words}")
        write_report(self.folder / "calibration", table, text, draw)
        self._write_risk(temperature, details.get("class_temperature"))
        self.logger.info("Written: %s\n%s", file, "\n".join(markdown_table(table)))

    def _write_risk(self, temperature: float | Sequence[float], of_class: float | None) -> None:
        from pandas import DataFrame

        curves, uncertainties = [], []
        for case in self.cases:
            scaled = logits_at(case["logits"], temperature)
            uncertainty = 1 - softmax(scaled, axis=1).max(axis=1)
            curves.append(risk_coverage(uncertainty, scaled.argmax(axis=1), case["labels"], COVERAGES))
            uncertainties.append(uncertainty.mean())
        voxels = np.mean(curves, axis=0)
        dice = np.array([curve[-1, 1] for curve in curves])[np.argsort(uncertainties)]
        kept = [max(1, round(coverage * len(dice))) for coverage in COVERAGES]
        columns = {
            "error": voxels[:, 0],
            "dice": voxels[:, 1],
            "dice_of_cases": [dice[:count].mean() for count in kept],
        }
        note = (
            "error, dice: of the most certain voxels or pixels of every case, all classes but background together, "
            "mean over cases. dice_of_cases: of all of them, mean over the most certain cases."
        )
        if of_class is not None:
            known = [case for case in self.cases if "class" in case]
            chances = softmax(np.stack([case["class_logits"] for case in known]) / of_class, axis=1)
            classes = chances.argmax(axis=1), np.array([case["class"] for case in known])
            columns["class_error"] = risk_coverage(1 - chances.max(axis=1), *classes, COVERAGES)[:, 0]
            note += " class_error: share of wrong classes among the images whose class is most certain."
        table = DataFrame(columns, index=list(COVERAGES)).rename_axis("kept")
        text = markdown_text(
            f"# {self.title}: what is left if only the most certain is kept", markdown_table(table), note
        )
        draw = partial(_draw_risk, table=table, title=self.title)
        write_report(self.folder / "risk_coverage", table, text, draw)


def _before_and_after(
    logits: np.ndarray, labels: np.ndarray, temperature: float | Sequence[float]
) -> tuple[dict[str, dict[str, Any]], dict[str, np.ndarray]]:
    """Return temperature, likelihood and calibration error at temperature 1 and at another, and their bins."""
    rows, panels = {}, {}
    for name, value in (("before", 1.0), ("after", temperature)):
        bins = calibration_bins(*_confidence(logits, labels, value))
        panels[name] = bins.numpy()
        rows[name] = {
            "temperature": value,
            "negative_log_likelihood": mean_negative_log_likelihood(logits, labels, value),
            "expected_calibration_error": float(error_of_bins(bins)),
        }
    return rows, panels


def _columns(row: Mapping[str, Any]) -> dict[str, float]:
    """Return a row with a column per class's temperature where there are several."""
    if np.ndim(row["temperature"]) == 0:
        return dict(row)
    several = {f"temperature_{number}": value for number, value in enumerate(row["temperature"])}
    return {**several, **{name: value for name, value in row.items() if name != "temperature"}}


def _confidence(
    logits: np.ndarray, labels: np.ndarray, temperature: float | Sequence[float]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return confidence and correctness of every voxel."""
    probabilities = softmax(logits_at(logits, temperature), axis=1)
    correct = probabilities.argmax(axis=1) == labels
    return torch.from_numpy(probabilities.max(axis=1)), torch.from_numpy(correct)


def _draw_risk(path: Path, table: DataFrame, title: str) -> None:
    """Draw the columns of the table against the share that is kept."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    ax = figure.subplots()
    labels = {"dice": "Dice, voxels kept", "dice_of_cases": "Dice, cases kept", "error": "error"}
    labels["class_error"] = "error of the image's class"
    for name, label in labels.items():
        if name not in table:
            continue
        ax.plot(table.index, table[name], marker="o", markersize=3, label=label)
    ax.set_xlabel("share kept, most certain first")
    ax.set_ylim(0, 1.02)
    ax.invert_xaxis()
    ax.grid(alpha=0.3)
    ax.legend(frameon=False)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=120, metadata={"Software": None})
