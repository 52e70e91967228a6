"""Fit the temperature of a network, and report what it changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

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
)
from .class_figures import draw_reliability
from .evaluation_writer import EvaluationWriter
from .risk_coverage_report import write_risk_coverage
from .score_table import count_cases, markdown_table, markdown_text, write_report
from .temperature_file import write_temperature

__all__ = ["TemperatureReport"]


class TemperatureReport(EvaluationWriter):
    """Fit one temperature to the voxels or pixels of all cases, write it next to the weights, and report.

    Images with a class as a whole get a second temperature, for the logits of that class.

    - ``<weights>.temperature.json``: see `find_temperature`;
    - ``calibration.csv``, ``.md``, ``.png``: negative log-likelihood, expected calibration error and reliability,
      before and after;
    - ``risk_coverage.csv``, ``.md``, ``.png``: error and Dice if only the most certain voxels or cases are kept, see
      `write_risk_coverage`.

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
        known, class_temperature = [case for case in self.cases if "class" in case], None
        if known:
            class_logits, classes = (np.stack([case[name] for case in known]) for name in ("class_logits", "class"))
            class_temperature = fit_temperature(class_logits, classes)
            class_rows, class_panels = _before_and_after(
                class_logits, classes, class_temperature, prefix="class of the image, "
            )
            rows, panels = rows | class_rows, panels | class_panels
            details |= {"class_temperature": class_temperature, "images": len(known), **class_rows}
        file = write_temperature(self.ckpt_path, temperature, details)
        table = DataFrame.from_dict({name: _flat(row) for name, row in rows.items()}, orient="index")
        table = table.rename_axis("calibration")
        note = f"{count_cases(len(self.cases))}, {len(labels)} voxels or pixels. Written: {file.name}."
        text = markdown_text(f"# {self.title}: calibration", markdown_table(table), note)
        words = ", ".join(f"{number:.3f}" for number in np.atleast_1d(temperature))
        draw = partial(draw_reliability, panels=panels, title=f"{self.title}: temperature {words}")
        write_report(self.folder / "calibration", table, text, draw)
        write_risk_coverage(self.folder / "risk_coverage", self.title, self.cases, temperature, class_temperature)
        self.logger.info("Written: %s\n%s", file, "\n".join(markdown_table(table)))


def _before_and_after(
    logits: np.ndarray, labels: np.ndarray, temperature: float | Sequence[float], prefix: str = ""
) -> tuple[dict[str, dict[str, Any]], dict[str, np.ndarray]]:
    """Score logits at temperature 1 and at the fitted temperature, under "<prefix>before" and "<prefix>after".

    Returns:
        A row per temperature: temperature, negative log-likelihood, calibration error; and its `calibration_bins`.
    """
    rows, panels = {}, {}
    for name, value in (("before", 1.0), ("after", temperature)):
        probabilities = softmax(logits_at(logits, value), axis=1)
        confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
        bins = calibration_bins(torch.from_numpy(confidence), torch.from_numpy(correct))
        panels[f"{prefix}{name}"] = bins.numpy()
        rows[f"{prefix}{name}"] = {
            "temperature": value,
            "negative_log_likelihood": mean_negative_log_likelihood(logits, labels, value),
            "expected_calibration_error": float(error_of_bins(bins)),
        }
    return rows, panels


def _flat(row: Mapping[str, Any]) -> dict[str, float]:
    """Return a row with one column per temperature, where there are several: temperature_0, temperature_1, ..."""
    if np.ndim(row["temperature"]) == 0:
        return dict(row)
    several = {f"temperature_{number}": value for number, value in enumerate(row["temperature"])}
    return {**several, **{name: value for name, value in row.items() if name != "temperature"}}
