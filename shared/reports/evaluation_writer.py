"""Base of the evaluation tables: collects scores case by case and writes them at the end."""

from __future__ import annotations

import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ignite.engine import Engine, Events
from monai.utils import string_list_all_gather

from ..atomic_write import require_writable
from .score_table import Draw, markdown_table, markdown_text, write_report

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["EvaluationWriter"]


class EvaluationWriter(ABC):
    """Base of the tables of an evaluation: `score` is called for every case, `write` after the last one.

    Args:
        output_dir: folder for the files.
        title: heading of the Markdown and of the figures.
        notes: sentences below the Markdown's summary, such as where the labels come from.
    """

    def __init__(self, output_dir: str, title: str, notes: Sequence[str]) -> None:
        self.folder = Path(output_dir)
        self.title = title
        self.notes = notes
        self.cases: list[dict[str, Any]] = []
        self.logger = logging.getLogger(type(self).__name__)

    def attach(self, engine: Engine) -> None:
        """Collect on `engine`, MONAI's `SupervisedEvaluator`; metrics that `write` reads must be attached before."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.write)

    def start(self, engine: Engine) -> None:
        """Forget an earlier run's cases.

        Raises:
            InputError: the folder cannot be written, which would else show after the last case.
        """
        self.cases = []
        if engine.state.rank == 0:
            require_writable(self.folder)

    def collect(self, engine: Engine) -> None:
        """Score the cases of a batch."""
        self.cases += [self.score(*pair) for pair in zip(engine.state.batch, engine.state.output, strict=True)]

    def all_cases(self) -> DataFrame:
        """Return what `score` gave in all processes, a row per "case"; a case that several scored is there once."""
        from pandas import DataFrame

        found = map(json.loads, string_list_all_gather([json.dumps(case) for case in self.cases]))
        return DataFrame(found).drop_duplicates("case").set_index("case")

    def write_files(
        self, name: str, cases: DataFrame, below: DataFrame, summary: Sequence[str | list[str]], draw: Draw | None
    ) -> None:
        """Write ``<name>.csv``, ``.md`` and ``.png``.

        Args:
            name: of the files.
            cases: a row per case.
            below: rows below the cases in the CSV.
            summary: paragraphs and tables between the Markdown's title and its cases.
            draw: draws the figure; None for no figure.
        """
        from pandas import concat

        path = self.folder / name
        markdown = markdown_text(f"# {self.title}", *summary, "## Cases", markdown_table(cases.rename_axis("case")))
        write_report(path, concat([cases, below]).rename_axis("case"), markdown, draw)
        self.logger.info("Written: %s (.md, .png)", f"{path}.csv")

    @abstractmethod
    def score(self, item: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
        """Return "case", and what `write` needs of it as plain values.

        Args:
            item: of the batch.
            result: what the postprocessing left of its output.
        """

    @abstractmethod
    def write(self, engine: Engine) -> None:
        """Write the files, of all processes' cases, on the first process."""
