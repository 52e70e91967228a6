"""Leave out the cases whose results are complete when a stopped inference is started again."""

from __future__ import annotations

import json
import logging
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from ..data import CaseStream
from ..transforms import NoteInputsd
from ..transforms.case_place import absolute_paths
from ..transforms.case_record import name_of_case
from .model_settings import plain
from .weights_loader import WeightsLoader

__all__ = ["SkipFinished"]


class SkipFinished:
    """Take a case out of a `CaseStream` if its record names the same files, weights and settings.

    The record is written last, so a case that has one is complete. A case whose record differs is done again. Runs
    after the `WeightsLoader`.

    Args:
        stream: the cases.
        weights: loaded weights.
        output_dir: folder in which the cases' folders are.
        settings: of this run, as records have them.
        inputs: entries of a case that name files, such as the modalities.
        case_names: "plain" or "hash".
        skip_finished: False: all cases are done, also those that have results.
    """

    def __init__(
        self,
        stream: CaseStream,
        weights: WeightsLoader,
        output_dir: str,
        settings: Mapping[str, Any],
        inputs: Sequence[str],
        case_names: str = "plain",
        skip_finished: bool = False,
    ) -> None:
        self.stream = stream
        self.weights = weights
        self.folder = Path(output_dir)
        self.settings = plain(settings)
        self.note = NoteInputsd(list(inputs))
        self.case_names = case_names
        self.skip_finished = skip_finished
        self.logger = logging.getLogger(type(self).__name__)

    def attach(self, engine: Engine) -> None:
        """Look when `engine` starts."""
        engine.add_event_handler(Events.STARTED, self)

    def __call__(self, engine: Engine | None = None) -> None:
        """Look now."""
        if not self.skip_finished:
            return
        cases = self.stream.data
        self.stream.finished = {number for number, case in enumerate(cases) if self.is_finished(case)}
        self.logger.info("%d of %d cases are finished and skipped.", len(self.stream.finished), len(cases))

    def is_finished(self, case: Mapping[Hashable, Any]) -> bool:
        """Whether a case has a record of these files, weights and settings."""
        if not isinstance(case, Mapping) or "case" not in case:
            return False
        try:
            name = name_of_case(case, self.case_names)
            record = json.loads((self.folder / name / f"{name}.json").read_text(encoding="utf-8"))
            files = json.loads(self.note(case)["inputs"])["files"]
            return (
                absolute_paths(record["inputs"]) == absolute_paths(files)
                and _hashes(record["weights"]) == _hashes(json.loads(self.weights.note))
                and record["settings"] == self.settings
                and all((self.folder / name / file).is_file() for file in record["outputs"].values())
            )
        except (OSError, ValueError, KeyError, TypeError):  # no record, or one of another version
            return False


def _hashes(weights: Mapping[str, Any]) -> list[Any]:
    """Return what identifies weights wherever their files are."""
    return [weights["settings"], [file["sha256"] for file in weights.get("ensemble", [weights])]]
