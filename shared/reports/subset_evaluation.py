"""Evaluate a network on every subset of a case's modalities; a stopped evaluation continues."""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch.distributed as dist
from ignite.engine import Engine, Events
from monai.metrics import CumulativeIterationMetric
from torch import Tensor

from ..atomic_write import require_writable
from ..data import NOT_RUN, process_share
from ..errors import InputError
from .case_records import CaseRecords
from .region_scores import RegionScores, Scores
from .score_table import count_cases
from .subset_report import write_subset_report
from .subset_scores import missing_counts

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["SubsetEvaluation"]


class SubsetEvaluation:
    """Dice of every case, subset of modalities and region, and further scores on request.

    While the evaluator runs, each case is scored and its record written:

    - ``subsets/<case>.json``: the scores, with the weights and settings that they belong to.

    After the evaluator has run, `write` writes the tables of all cases, ``subsets.csv``, ``subsets.md`` and
    ``subsets.png``; see `write_subset_report`.

    A stopped evaluation continues: `cases_left` are the cases without a record of these weights and settings. Region
    empty in prediction and label: Dice 1; in one of them: 0.

    Reads, of every decollated item, "case" from the batch, and from the output "pred" (S, *spatial), the class maps of
    `ModalitySubsetsInferer` on the label's grid, and "label" (1, *spatial). `write` leaves "dice_<region>" and the
    further scores, means over cases and subsets, in the metrics of the engine that this handler was attached to.

    With several processes attach it and call `write` on all of them: each scores its share of the cases into the same
    output folder, and the first one writes the tables.

    Args:
        output_dir: folder for the files.
        cases: all items that are to be scored, with "case".
        ckpt_path: file of the weights.
        modalities: names of the modalities in the order of the channels.
        regions: maps the class map (1, *spatial) of a prediction to regions (R, *spatial).
        label_regions: the same for a label.
        region_names: R names.
        title: heading of the Markdown and of the picture.
        notes: sentences below the Markdown's tables, such as what a region's name means.
        settings: name to value of all other settings that change scores, such as the window's size.
        additional_metrics: name to a metric, such as `Hausdorff95Metric` or `LesionWiseMetric`. It is called with two
            lists of one `MetaTensor` (R, *spatial), prediction and label, and returns (1, n), NaN where a case has no
            score. The numbers in its attributes are settings of the records.
        columns: name of a metric to the names of its n columns; may hold more than `additional_metrics`.
    """

    def __init__(
        self,
        output_dir: str,
        cases: Sequence[Mapping[str, Any]],
        ckpt_path: str,
        modalities: Sequence[str],
        regions: Callable[[Tensor], Tensor],
        label_regions: Callable[[Tensor], Tensor],
        region_names: Sequence[str],
        title: str,
        notes: Sequence[str] = (),
        settings: Mapping[str, Any] | None = None,
        additional_metrics: Mapping[str, CumulativeIterationMetric] | None = None,
        columns: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.folder = Path(output_dir)
        self.cases = cases
        self.weights = Path(ckpt_path)
        self.modalities = list(modalities)
        self.regions = regions
        self.label_regions = label_regions
        self.region_names = list(region_names)
        self.title = title
        self.notes = notes
        self.settings = dict(settings or {})
        self.subsets = list(missing_counts(modalities))
        self.region_scores = RegionScores(region_names, additional_metrics or {}, columns or {})
        self.engine: Engine | None = None
        self.logger = logging.getLogger(type(self).__name__)

    @functools.cached_property
    def records(self) -> CaseRecords:
        """The records of the cases; only those of these weights and settings count."""
        try:
            weights = hashlib.sha256(self.weights.read_bytes()).hexdigest()
        except OSError as error:
            raise InputError(
                f"{self.weights}: no such checkpoint; train first, or name one with --ckpt_path."
            ) from error
        made_with = {"weights_sha256": weights, "modalities": self.modalities, "regions": self.region_names}
        made_with |= {"settings": self.settings, **self.region_scores.settings()}
        return CaseRecords(self.folder / "subsets", made_with)

    def cases_left(self) -> list[Mapping[str, Any]]:
        """Return this process's cases that have not been scored.

        Raises:
            InputError: the weights cannot be read, the folder cannot be written.
        """
        require_writable(self.folder / "subsets")
        share = process_share(self.cases, repeat=False)
        left = [item for item in share if self.records.read(item["case"]) is None]
        if len(left) < len(share):
            self.logger.info(
                "%d of %s scored before, by these weights with these settings; to score them anew, remove %s.",
                *(len(share) - len(left), count_cases(len(share)), self.folder / "subsets"),
            )
        return left

    def attach(self, engine: Engine) -> None:
        """Score the cases of `engine`, MONAI's `SupervisedEvaluator`."""
        self.engine = engine
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)

    def collect(self, engine: Engine) -> None:
        """Score the cases of a batch and write each one's record."""
        for item, result in zip(engine.state.batch, engine.state.output, strict=True):
            self.records.write(item["case"], self.score(result["pred"], result["label"]))

    def score(self, maps: Tensor, label: Tensor) -> dict[str, dict[str, Scores | None]]:
        """Score the class map of every subset.

        Args:
            maps: (S, *spatial), classes, in the order of `modality_subsets`.
            label: (1, *spatial).

        Returns:
            Name of a metric, "dice" or a further one, to the scores by subset; None if the subset was not run.
        """
        if len(maps) != len(self.subsets):
            raise ValueError(f"pred must have {len(self.subsets)} class maps, got shape {tuple(maps.shape)}.")
        true = self.label_regions(label)
        if len(true) != len(self.region_names):
            raise ValueError(f"label_regions gives {len(true)} regions, region_names has {self.region_names}.")
        scores: dict[str, dict[str, Scores | None]] = {name: {} for name in self.region_scores.columns}
        for index, subset in enumerate(self.subsets):
            class_map = maps[index : index + 1]
            was_run = not (class_map == NOT_RUN).any()  # not "all": `Invertd` pads with 0
            found = self.region_scores(self.regions(class_map), true) if was_run else dict.fromkeys(scores)
            for name in scores:
                scores[name][subset] = found[name]
        return scores

    def write(self) -> None:
        """Write the tables of all cases, those of earlier runs included, and log the summary.

        Raises:
            InputError: a case has not been scored.
        """
        is_distributed = dist.is_available() and dist.is_initialized()
        if is_distributed:
            dist.barrier()
        scores = self._all_scores()
        if self.engine is not None:
            means = scores.groupby("subset", sort=False)[self.region_scores.names].mean()
            self.engine.state.metrics.update(means.mean())
        if is_distributed and dist.get_rank() > 0:
            return
        report = self.folder / "subsets"
        summary = write_subset_report(
            report,
            scores,
            columns=self.region_scores.columns,
            modalities=self.modalities,
            region_names=self.region_names,
            title=self.title,
            notes=self.notes,
        )
        self.logger.info("%s\n%s", self.title, summary)
        self.logger.info("Written: %s (.md, .png)", f"{report}.csv")

    def _all_scores(self) -> DataFrame:
        """Return a row per case and subset, from the records."""
        from pandas import DataFrame

        records = {str(item["case"]): self.records.read(item["case"]) for item in self.cases}
        unscored = [case for case, record in records.items() if record is None]
        if unscored or not records:
            what = f"{len(unscored)} of {count_cases(len(records))} not scored" if records else "no cases to score"
            raise InputError(f"{self.folder / 'subsets'}: {what}; evaluate a part that has cases, to its end.")
        columns = self.region_scores.columns
        rows = [
            [case, subset, missing, *self.region_scores.row({name: record[name][subset] for name in columns})]
            for case, record in records.items()
            for subset, missing in missing_counts(self.modalities).items()
        ]
        return DataFrame(rows, columns=["case", "subset", "missing", *self.region_scores.names])
