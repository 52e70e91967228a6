"""Keep the course of a training as a table and a picture."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from ignite.engine import Engine, Events
from monai.utils import is_scalar

from ..errors import InputError
from ..whole_file import whole_file

__all__ = ["TrainingCurves"]


class TrainingCurves:
    """Write ``curves.csv``, a row per epoch, and ``curves.png``, a panel per column.

    Columns: "epoch"; "loss", the mean over the epoch's iterations; "validation_<metric>" in epochs that validated; one
    per loss term (`engine.state.loss_terms`, set by `LossTerms`); "learning_rate" of the epoch's last step. A resumed
    training keeps the rows below the epoch at which it goes on, a new one begins a new file. Attach it after
    `LossTerms` and the `ValidationHandler`.

    Args:
        output_dir: folder for the two files.
        evaluator: the validation engine.
        interval: every how many epochs the picture is drawn; it is also drawn at the end.
    """

    def __init__(self, output_dir: str, evaluator: Engine, interval: int = 10) -> None:
        self.folder = Path(output_dir)
        self.evaluator = evaluator
        self.interval = interval
        self.rows: list[dict[str, str]] | None = None

    def attach(self, engine: Engine) -> None:
        """Follow `engine`, MONAI's `SupervisedTrainer`."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.EPOCH_STARTED, self.start_epoch)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.add)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.complete_epoch)
        engine.add_event_handler(Events.COMPLETED, self.draw)

    def start(self, engine: Engine) -> None:
        """Forget another run's rows."""
        self.rows = None

    def start_epoch(self, engine: Engine) -> None:
        """Begin to average; before the first epoch, fetch what an interrupted training left."""
        self.losses: list[float] = []
        if self.rows is None:  # only now, since a checkpoint may set the epoch when the run starts
            self.rows = _read(self.folder / "curves.csv", below=engine.state.epoch)

    def add(self, engine: Engine) -> None:
        """Add one iteration's loss."""
        self.losses.append(float(engine.state.output[0]["loss"]))
        self.learning_rate = engine.optimizer.param_groups[0]["lr"]

    def complete_epoch(self, engine: Engine) -> None:
        """Write the epoch's row, and the picture when it is due."""
        validated = self.evaluator.state.epoch == engine.state.epoch
        scores = {name: value for name, value in self.evaluator.state.metrics.items() if validated and is_scalar(value)}
        row = {
            "loss": sum(self.losses) / len(self.losses),
            **{f"validation_{name}": value for name, value in scores.items()},
            **getattr(engine.state, "loss_terms", {}),
            "learning_rate": self.learning_rate,
        }
        self.rows.append({"epoch": str(engine.state.epoch), **{name: f"{value:.6g}" for name, value in row.items()}})
        with whole_file(self.folder / "curves.csv") as path, path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, ["epoch", *_columns(self.rows)], lineterminator="\n")
            table.writeheader()
            table.writerows(self.rows)
        if engine.state.epoch % self.interval == 0:
            self.draw(engine)

    def draw(self, engine: Engine) -> None:
        """Draw the rows."""
        if self.rows:
            with whole_file(self.folder / "curves.png") as path:
                _draw(path, self.rows)


def _columns(rows: list[dict[str, str]]) -> list[str]:
    """Every column but the epoch: loss, validation, the loss's terms, learning rate; each in order of appearance."""
    names = list(dict.fromkeys(name for row in rows for name in row if name != "epoch"))
    place = {"loss": 0, "learning_rate": 3}
    return sorted(names, key=lambda name: place.get(name, 1 if name.startswith("validation_") else 2))


def _read(path: Path, below: int) -> list[dict[str, str]]:
    """Read the rows of epochs below `below`, without their empty cells."""
    if below == 1 or not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if int(row["epoch"]) < below]
        return [{name: text for name, text in row.items() if text} for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: is not a table of this program's curves; move it away.") from error


def _draw(path: Path, rows: list[Mapping[str, str]]) -> None:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names = _columns(rows)
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    figure = Figure(figsize=(4 * columns, 2.6 * lines), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False).flatten()
    for ax, name in zip(axes, names, strict=False):
        points = [(int(row["epoch"]), float(row[name])) for row in rows if name in row]
        ax.plot(*zip(*points, strict=True), marker="." if len(points) < 30 else None)
        ax.set_title(name.replace("_", " "), fontsize=10)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        ax.grid(alpha=0.3)
    for ax in axes[len(names) :]:
        ax.set_axis_off()
    for ax in axes[max(0, len(names) - columns) : len(names)]:
        ax.set_xlabel("epoch")
    figure.savefig(path, dpi=110, metadata={"Software": None})
