"""Measure how the gradient behaves over a training: how much it varies, and whether two losses agree."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path

import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from torch import Tensor

from ..networks.unwrap import unwrap
from ..reports.epoch_rows import Row, draw_epoch_rows, read_epoch_rows, write_epoch_rows

__all__ = ["GradientStatistics", "relative_variance"]

COLUMNS = ["steps", "relative_variance", "mean_gradient_norm", "cosine", "base_gradient_norm", "fuzzy_gradient_norm"]


def relative_variance(gradients: Tensor) -> float:
    """E|g - E g|^2 / |E g|^2 over steps, both means over them; NaN where the mean is zero.

    Args:
        gradients: (steps, parameters).
    """
    mean = gradients.mean(dim=0)
    spread = (gradients - mean).square().sum(dim=1).mean()
    return (spread / mean.square().sum()).item() if mean.any() else math.nan


class GradientStatistics:
    """Write ``gradients.csv``, a row per epoch, and ``gradients.png``, a panel per column.

    "Pareto-Guided Optimization for Uncertainty-Aware Medical Image Segmentation" (2026) claims that its curriculum
    reduces the variance of the gradient (abstract), and that the gradients of the fuzzy and of the main loss agree at
    first and compete later (Sec. 8, Fig. 5); it does not say for which parameters. Here: those of a network's last
    layer, which need no pass through the rest of it. Columns, over the epoch's steps:

    - "relative_variance" of the gradient of the whole loss (`relative_variance`), and "mean_gradient_norm", the norm of
      its mean; the network moves between the steps, and near a minimum the mean, a divisor, goes to zero;
    - "cosine" between the gradients of the main and of the fuzzy loss, mean over steps;
    - "base_gradient_norm", "fuzzy_gradient_norm": mean norms of the two, the latter not multiplied by lambda.

    Steps whose gradient is not finite are left out, as AMP skips them. The training is not touched: its weights are
    the same, bit for bit, with and without. Of several processes the first one measures its own batches. A resumed
    training keeps the rows below the epoch at which it goes on.

    Args:
        loss: has `terms(prediction, target)` with `total`, `base` and `fuzzy` (`ParetoFuzzyLoss`), bare or wrapped in
            DistributedDataParallel.
        layer: the network's last layer.
        output_dir: folder for the two files.
        interval: every how many epochs the picture is drawn; it is also drawn at the end.
    """

    def __init__(self, loss: torch.nn.Module, layer: torch.nn.Module, output_dir: str, interval: int = 10) -> None:
        self.loss = unwrap(loss)
        self.parameters = list(layer.parameters())
        if not self.parameters:
            raise ValueError(f"layer has no parameters: {layer}; choose the last one that has.")
        self.folder = Path(output_dir)
        self.interval = interval
        self.rows: list[Row] | None = None

    def attach(self, engine: Engine) -> None:
        """Measure on `engine`, MONAI's `SupervisedTrainer`."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.EPOCH_STARTED, self.start_epoch)
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self.measure)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.complete_iteration)
        engine.add_event_handler(Events.COMPLETED, self.draw)

    def start(self, engine: Engine) -> None:
        """Forget another run's rows."""
        self.rows = None

    def start_epoch(self, engine: Engine) -> None:
        """Begin to collect; before the first epoch, fetch what an interrupted training left."""
        self.gradients: list[Tensor] = []
        self.per_step: dict[str, list[float]] = defaultdict(list)
        if self.rows is None:  # only now, since a checkpoint may set the epoch when the run starts
            self.rows = read_epoch_rows(self.folder / "gradients.csv", below=engine.state.epoch)

    def measure(self, engine: Engine) -> None:
        """Compute the gradients of this step: of the whole, the main and the fuzzy loss."""
        if engine.state.rank > 0:
            return
        prediction, target = engine.state.output["pred"], engine.state.output["label"]
        scale = 1.0 if engine.scaler is None else engine.scaler.get_scale()  # half-precision gradients vanish unscaled
        with torch.autocast(self.parameters[0].device.type, enabled=False):
            terms = self.loss.terms(prediction, target)
            whole, base, fuzzy = (self._gradient(terms[name], scale) for name in ("total", "base", "fuzzy"))
        if not whole.isfinite().all():
            return
        self.gradients.append(whole)
        norms = base.norm().item(), fuzzy.norm().item()
        self.per_step["base_gradient_norm"].append(norms[0])
        self.per_step["fuzzy_gradient_norm"].append(norms[1])
        if all(norms):
            self.per_step["cosine"].append((base @ fuzzy).item() / (norms[0] * norms[1]))

    def _gradient(self, term: Tensor, scale: float) -> Tensor:
        """Return the gradient of a term with respect to the layer, one vector; the graph stays for the training."""
        parts = torch.autograd.grad(term * scale, self.parameters, retain_graph=True)
        return torch.cat([part.detach().flatten() for part in parts]).double().cpu() / scale

    def complete_iteration(self, engine: Engine) -> None:
        """Write the epoch's row after its last step: before a checkpoint says that the epoch is done."""
        if engine.state.rank > 0 or engine.state.iteration % engine.state.epoch_length:
            return
        row = {"steps": len(self.gradients)}
        if self.gradients:
            gradients = torch.stack(self.gradients)
            row["relative_variance"] = relative_variance(gradients)
            row["mean_gradient_norm"] = gradients.mean(dim=0).norm().item()
        row |= {name: sum(values) / len(values) for name, values in self.per_step.items()}
        known = {name: value for name, value in row.items() if not math.isnan(value)}
        self.rows.append({"epoch": engine.state.epoch, **known})
        write_epoch_rows(self.folder / "gradients.csv", self.rows, COLUMNS)
        if engine.state.epoch % self.interval == 0:
            self.draw(engine)

    def draw(self, engine: Engine) -> None:
        """Draw the rows."""
        if self.rows and engine.state.rank == 0:
            draw_epoch_rows(self.folder / "gradients.png", self.rows, COLUMNS)
