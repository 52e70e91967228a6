"""Do the studies of an archive, each once: fetch it, run a bundle on it, store the result next to it."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import Any

from ci.archive.bundle_run import BundleRun
from ci.archive.orthanc import ArchiveError, ArchiveRefusal, Orthanc
from ci.archive.watch_folder import Outcome, WatchFolder, case_of, state_of

__all__ = ["Watcher"]

ENDED = ("done", "refused", "failed")
logger = logging.getLogger("serve-archive")  # the command's


class Watcher:
    """Do the studies of an archive, each once.

    Args:
        archive: where they are.
        bundle: what is run on them.
        folder: where the outcomes are kept.
        tries: how often a study that failed is tried; one that was refused is not tried again.
        again: try those that were refused or failed before once more.
    """

    def __init__(
        self, archive: Orthanc, bundle: BundleRun, folder: WatchFolder, tries: int = 2, again: bool = False
    ) -> None:
        self.archive, self.bundle, self.folder, self.tries = archive, bundle, folder, tries
        self.not_done: list[str] = []
        if again:
            folder.forget_failures()

    def catch_up(self) -> None:
        """Do what has become stable since the last time.

        Raises:
            ArchiveError: the archive gives no answer; what was not done is done the next time.
        """
        for studies, number in self.archive.stable_studies(self.folder.position):
            for study in studies:
                self.do(study)
            self.folder.position = number

    def do(self, study: str) -> None:
        """Do a study unless it was done, and say so in one line."""
        found = self.archive.study(study)
        if found is None:
            return  # gone, or it will become stable once more
        about, series = found
        images = [one for one in series if one["MainDicomTags"].get("Modality") == "MR"]
        case, state = case_of(about), state_of(images)
        before = self.folder.outcome(case)
        if not images or (before is not None and before.state == state and before.outcome in ENDED):
            return
        if before is None and self.archive.has_result(series, self.bundle.name, self.bundle.version):
            self.folder.note(case, Outcome("done", state))
            logger.info("%s: has its Segmentation in the archive.", case)
            return
        begun = time.monotonic()
        after = self._do(case, images, before if before is not None and before.state == state else Outcome("", state))
        self.folder.note(case, after)
        if after.outcome == "done":
            logger.info("%s: done in %.0f s.", case, time.monotonic() - begun)
        else:
            self.not_done.append(case)
            logger.warning("%s: %s: %s", case, after.outcome, after.reason)

    def _do(self, case: str, images: list[dict[str, Any]], before: Outcome) -> Outcome:
        """Go on with a study from where it was, up to its end."""
        after = before
        while after.outcome not in ("storing", "refused"):
            if after.tries == self.tries:
                reason = after.reason or f"the watcher was ended {after.tries} times within it"
                return replace(after, outcome="failed", reason=reason)
            after = Outcome("begun", before.state, tries=after.tries + 1)
            self.folder.note(case, after)
            after = self._run(case, images, after)
        return after if after.outcome == "refused" else self._store(case, after)

    def _run(self, case: str, images: list[dict[str, Any]], begun: Outcome) -> Outcome:
        """Fetch a study, segment it, and keep what comes of it."""
        try:
            with self.folder.fetching() as place:
                self.archive.fetch(images, place / "study")
                ended = self.bundle.on(place / "study", place / "results")
                if ended.outcome == "done":
                    self.folder.keep(case, place / "results" / case)
        except ArchiveRefusal as error:
            return replace(begun, outcome="failed", reason=str(error))
        except ArchiveError:
            self.folder.note(case, replace(begun, tries=begun.tries - 1))  # this was no try
            raise
        after = replace(begun, outcome="storing" if ended.outcome == "done" else ended.outcome, reason=ended.reason)
        if after.outcome == "storing":
            self.folder.note(case, after)
        return after

    def _store(self, case: str, after: Outcome) -> Outcome:
        """Store what was kept; what is in the archive already stays as it is."""
        try:
            for file in self.folder.kept(case):
                self.archive.store(file)
        except ArchiveRefusal as error:
            return replace(after, outcome="failed", reason=str(error))
        return replace(after, outcome="done")
