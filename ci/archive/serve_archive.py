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
from pathlib import Path
from typing import Any

from ci.archive.bundle_run import BundleRun
from ci.archive.orthanc import ArchiveError, Orthanc
from ci.archive.watch_folder import WatchFolder
from ci.archive.watcher import Watcher
from ci.experiments.config_files import overlay_names
from shared.errors import InputError

logger = logging.getLogger("serve-archive")


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
