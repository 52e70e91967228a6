"""Keep the course of a training as a table and a picture."""

from __future__ import annotations

from pathlib import Path

from ignite.engine import Engine, Events
from monai.utils import is_scalar

from .epoch_rows import draw_epoch_rows, read_epoch_rows, write_epoch_rows

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
            self.rows = read_epoch_rows(self.folder / "curves.csv", below=engine.state.epoch)

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
        write_epoch_rows(self.folder / "curves.csv", self.rows, _columns(self.rows))
        if engine.state.epoch % self.interval == 0:
            self.draw(engine)

    def draw(self, engine: Engine) -> None:
        """Draw the rows."""
        if self.rows:
            draw_epoch_rows(self.folder / "curves.png", self.rows, _columns(self.rows))


def _columns(rows: list[dict[str, str]]) -> list[str]:
    """Every column but the epoch: loss, validation, the loss's terms, learning rate; each in order of appearance."""
    names = list(dict.fromkeys(name for row in rows for name in row if name != "epoch"))
    place = {"loss": 0, "learning_rate": 3}
    return sorted(names, key=lambda name: place.get(name, 1 if name.startswith("validation_") else 2))
