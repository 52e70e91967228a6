"""What the watcher keeps on disk: how far it is, and what came of every study."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from shared.atomic_write import atomic_write, require_writable
from shared.dicom.one_study import name_of_study
from shared.errors import InputError

__all__ = ["Outcome", "WatchFolder", "case_of", "state_of"]

FETCHED = ".fetched-"


@dataclass(frozen=True)
class Outcome:
    """What came of a study.

    Attributes:
        outcome: "begun" (the bundle runs), "storing" (its results are kept and go into the archive), "done", "refused"
            (by the bundle, for a reason that another try will not change) or "failed".
        state: of the study's images; see `state_of`.
        reason: one line, where it was refused or failed.
        tries: how often the bundle was started on this state.
    """

    outcome: str
    state: str
    reason: str = ""
    tries: int = 0


def case_of(study: Mapping[str, Any]) -> str:
    """Return the name that the bundle gives to a study."""
    return name_of_study(study["MainDicomTags"]["StudyInstanceUID"])


def state_of(series: Sequence[Mapping[str, Any]]) -> str:
    """Return a hash of the images of all series."""
    instances = sorted(instance for one in series for instance in one["Instances"])
    return hashlib.sha256("\n".join(instances).encode()).hexdigest()


class WatchFolder:
    """``<folder>/position`` (number of the last change that was seen) and ``<folder>/<case>/outcome.json``.

    Args:
        folder: may be there already.

    Raises:
        InputError: it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        require_writable(folder)
        self.folder = folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other watchers out; what was fetched before a crash is removed.

        Raises:
            InputError: another process has the folder.
        """
        with (self.folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise InputError(
                    f"{self.folder}: another watcher is at work there; wait for it, or choose another --out."
                ) from error
            for left in self.folder.glob(f"{FETCHED}*"):
                shutil.rmtree(left, ignore_errors=True)
            yield

    @contextmanager
    def fetching(self) -> Iterator[Path]:
        """Give an empty folder, which no other user can read, for the images of a study; it is removed afterwards.

        Its name is new each time, since the run of a watcher that was killed may go on for a while.
        """
        with tempfile.TemporaryDirectory(prefix=FETCHED, dir=self.folder) as place:
            yield Path(place)

    @property
    def position(self) -> int:
        """Number of the last change that was seen; 0 at the first start."""
        file = self.folder / "position"
        if not file.exists():
            return 0
        text = file.read_text(encoding="utf-8").strip()
        if not text.isdecimal():
            raise InputError(f"{file}: expected a whole number, got {text!r}; remove the file to begin anew.")
        return int(text)

    @position.setter
    def position(self, number: int) -> None:
        with atomic_write(self.folder / "position") as path:
            path.write_text(f"{number}\n", encoding="utf-8")

    def outcome(self, case: str) -> Outcome | None:
        """Return what came of a study, or None if it is new or its file is damaged."""
        try:
            return Outcome(**json.loads((self.folder / case / "outcome.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def note(self, case: str, outcome: Outcome) -> None:
        """Write what came of a study."""
        with atomic_write(self.folder / case / "outcome.json") as path:
            path.write_text(json.dumps(asdict(outcome), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def forget_failures(self) -> None:
        """Let the studies that were refused or failed be new, and begin with the first change again."""
        for file in self.folder.glob("*/outcome.json"):
            before = self.outcome(file.parent.name)
            if before is not None and before.outcome in ("refused", "failed"):
                self.note(file.parent.name, replace(before, state="", tries=0))
        self.position = 0

    def kept(self, case: str) -> list[Path]:
        """Return the DICOM files among a study's results."""
        return sorted((self.folder / case).glob("*.dcm"))

    def keep(self, case: str, results: Path) -> None:
        """Move a study's results next to its outcome, in place of older ones."""
        place = self.folder / case
        place.mkdir(exist_ok=True)
        for old in place.iterdir():
            if old.name != "outcome.json":
                old.unlink()
        for file in sorted(results.iterdir()):
            shutil.move(file, place / file.name)
