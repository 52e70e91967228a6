"""Fit the temperature of a network, and report what it changes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from ignite.engine import Engine
from scipy.special import softmax

from ..errors import InputError
from ..metrics import calibration_bins, error_of_bins, fit_temperature, mean_negative_log_likelihood, risk_coverage
from .class_figures import draw_reliability
from .evaluation_writer import EvaluationWriter
from .score_table import count_cases, markdown_table, markdown_text, write_report
from .temperature_file import write_temperature

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["TemperatureReport"]

COVERAGES = tuple(round(0.5 + 0.05 * step, 2) for step in range(11))


class TemperatureReport(EvaluationWriter):
    """Fit one temperature to the voxels of all cases, write it next to the weights, and report.

    - ``<weights>.temperature.json``: see `find_temperature`;
    - ``calibration.csv``, ``.md``, ``.png``: negative log-likelihood and expected calibration error before and after,
      reliability;
    - ``risk_coverage.csv``, ``.md``, ``.png``: error and Dice of the most certain voxels of a case, mean over cases;
      and mean Dice of the most certain cases.

    Runs in one process, on the output of `SampleLogitsd`.

    Args:
        output_dir: folder for the reports.
        ckpt_path: the weights.
        title: heading.
    """

    def __init__(self, output_dir: str, ckpt_path: str, title: str) -> None:
        super().__init__(output_dir, title, notes=())
        self.ckpt_path = ckpt_path

    def score(self, item: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
        """Return logits (N, C) and classes (N,) of a case."""
        logits, labels = result["pred"].T.double().numpy(), result["label"].numpy()
        return {"case": str(item["case"]), "logits": logits, "labels": labels}

    def write(self, engine: Engine) -> None:
        """Fit, and write all files.

        Raises:
            InputError: there is no case.
        """
        from pandas import DataFrame

        if not self.cases:
            raise InputError("no case to calibrate on; choose another --calibrate_part.")
        logits, labels = (np.concatenate([case[name] for case in self.cases]) for name in ("logits", "labels"))
        temperature = fit_temperature(logits, labels)
        bins, rows = {}, {}
        for name, value in (("before", 1.0), ("after", temperature)):
            bins[name] = calibration_bins(*_confidence(logits, labels, value))
            likelihood = mean_negative_log_likelihood(logits, labels, value)
            rows[name] = {
                "temperature": value,
                "negative_log_likelihood": likelihood,
                "expected_calibration_error": float(error_of_bins(bins[name])),
            }
        table = DataFrame.from_dict(rows, orient="index").rename_axis("calibration")
        details = {name: rows[name] for name in ("before", "after")} | {"cases": len(self.cases), "voxels": len(labels)}
        file = write_temperature(self.ckpt_path, temperature, details)
        note = f"{count_cases(len(self.cases))}, {len(labels)} voxels of the brain or organ. Written: {file.name}."
        text = markdown_text(f"# {self.title}: calibration", markdown_table(table), note)
        panels = {name: part.numpy() for name, part in bins.items()}
        draw = partial(draw_reliability, panels=panels, title=f"{self.title}: temperature {temperature:.3f}")
        write_report(self.folder / "calibration", table, text, draw)
        self._write_risk(temperature)
        self.logger.info("Written: %s\n%s", file, "\n".join(markdown_table(table)))

    def _write_risk(self, temperature: float) -> None:
        from pandas import DataFrame

        curves, uncertainties = [], []
        for case in self.cases:
            logits = case["logits"]
            uncertainty = 1 - softmax(logits / temperature, axis=1).max(axis=1)
            curves.append(risk_coverage(uncertainty, logits.argmax(axis=1), case["labels"], COVERAGES))
            uncertainties.append(uncertainty.mean())
        voxels = np.mean(curves, axis=0)
        dice = np.array([curve[-1, 1] for curve in curves])[np.argsort(uncertainties)]
        kept = [max(1, round(coverage * len(dice))) for coverage in COVERAGES]
        columns = {
            "error": voxels[:, 0],
            "dice": voxels[:, 1],
            "dice_of_cases": [dice[:count].mean() for count in kept],
        }
        table = DataFrame(columns, index=list(COVERAGES)).rename_axis("kept")
        note = (
            "error, dice: of the most certain voxels of every case, all classes but background together, mean over "
            "cases. dice_of_cases: of all voxels, mean over the most certain cases."
        )
        text = markdown_text(
            f"# {self.title}: what is left if only the most certain is kept", markdown_table(table), note
        )
        draw = partial(_draw_risk, table=table, title=self.title)
        write_report(self.folder / "risk_coverage", table, text, draw)


def _confidence(logits: np.ndarray, labels: np.ndarray, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return confidence and correctness of every voxel."""
    probabilities = softmax(logits / temperature, axis=1)
    correct = probabilities.argmax(axis=1) == labels
    return torch.from_numpy(probabilities.max(axis=1)), torch.from_numpy(correct)


def _draw_risk(path: Path, table: DataFrame, title: str) -> None:
    """Draw the columns of the table against the share that is kept."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    ax = figure.subplots()
    for name, label in (("dice", "Dice, voxels kept"), ("dice_of_cases", "Dice, cases kept"), ("error", "error")):
        ax.plot(table.index, table[name], marker="o", markersize=3, label=label)
    ax.set_xlabel("share kept, most certain first")
    ax.set_ylim(0, 1.02)
    ax.invert_xaxis()
    ax.grid(alpha=0.3)
    ax.legend(frameon=False)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=120, metadata={"Software": None})
