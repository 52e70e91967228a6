"""Segment every MR study that is complete in an Orthanc archive, and store the result next to it.

    ARCHIVE_USER=name ARCHIVE_PASSWORD=... python -m ci serve-archive --bundle BUNDLE --archive http://127.0.0.1:8042 \
        --out watched --resample_modalities True

Waits for studies to become stable (no new image for Orthanc's `StableAge`), fetches their MR series, runs the bundle's
inference on them with `--dicom_seg True`, and stores the DICOM files that it writes. `--bundle` is a bundle's folder,
packed or in the repository; `--overlays` follow inference.json; other options are the bundle's settings. User and
password come from the environment; no other machine than the archive's is connected to.

A study is done once: what came of it is in <out>/<case>/outcome.json, next to the results, where <case> is a hash of
the study's UID. Where that file was lost, the archive is asked for a Segmentation by this bundle and version. A study
is done again when its MR images have changed. A refused study keeps its reason there; `--again True` tries all that
were refused or failed once more. `--once True` ends when all is done, with status 1 if a study was not.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ci.archive.bundle_run import BundleRun
from ci.archive.orthanc import ArchiveError, ArchiveRefusal, Orthanc
from ci.archive.watch_folder import Outcome, WatchFolder, case_of, state_of
from ci.experiments.config_files import overlay_names
from shared.errors import InputError

ENDED = ("done", "refused", "failed")
logger = logging.getLogger("serve-archive")


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


def watch(catch_up: Callable[[], None], poll_s: float) -> None:
    """Catch up for ever; an archive that gives no answer is asked again."""
    is_there = True
    while True:
        try:
            catch_up()
            if not is_there:
                logger.info("the archive answers again.")
            is_there = True
        except ArchiveError as error:
            if is_there:
                logger.warning("%s", error)
            is_there = False
        time.sleep(poll_s)


def log_to_standard_error() -> None:
    """Write the watcher's lines, and those of no other logger, with the time."""
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def main(
    bundle: str,
    archive: str,
    out: str,
    overlays: Any = (),
    once: bool = False,
    again: bool = False,
    poll_s: float = 5.0,
    timeout_s: float = 1800.0,
    tries: int = 2,
    **settings: Any,
) -> None:
    """Watch an archive.

    Args:
        bundle: its folder.
        archive: URL of Orthanc.
        out: folder for results and outcomes; one for every archive and bundle.
        overlays: what follows inference.json, such as network_rfnet.
        once: end when all studies are done.
        again: try studies that were refused or failed once more.
        poll_s: seconds between two looks into the archive.
        timeout_s: seconds after which the run on a study is ended.
        tries: how often a study whose run fails is tried.
        settings: of the bundle.

    Raises:
        InputError: what is given makes no sense, the archive gives no answer at the start, or, with `once`, a study
            was not done.
    """
    for name, value, least in (("poll_s", poll_s, 0.1), ("timeout_s", timeout_s, 1), ("tries", tries, 1)):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value < least:
            raise InputError(f"--{name}: expected a number from {least} on, got {value!r}.")
    log_to_standard_error()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends the run on a study as well
    run = BundleRun(Path(bundle), overlay_names(overlays), settings, timeout_s)
    orthanc = Orthanc(archive, os.environ.get("ARCHIVE_USER", ""), os.environ.get("ARCHIVE_PASSWORD", ""))
    orthanc.ask("/system")
    folder = WatchFolder(Path(out))
    with folder.locked():
        watcher = Watcher(orthanc, run, folder, tries, again)
        if not once:
            watch(watcher.catch_up, poll_s)
        watcher.catch_up()
    if watcher.not_done:
        cases = ", ".join(watcher.not_done)
        raise InputError(f"{len(watcher.not_done)} studies not done: {cases}; the reasons are in {out}.")
