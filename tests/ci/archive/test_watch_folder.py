"""What the watcher keeps on disk."""

import pytest

from ci.archive.watch_folder import Outcome, WatchFolder
from shared.errors import InputError


def test_two_watchers_do_not_share_a_folder(tmp_path):
    folder = WatchFolder(tmp_path)
    with folder.locked(), pytest.raises(InputError, match="another watcher is at work there"), folder.locked():
        pass


def test_what_a_killed_watcher_fetched_is_removed_and_others_cannot_read_it(tmp_path):
    folder = WatchFolder(tmp_path)
    (tmp_path / ".fetched-x" / "study").mkdir(parents=True)
    with folder.locked():
        assert not list(tmp_path.glob(".fetched*"))
        with folder.fetching() as place:
            assert place.parent == tmp_path
            assert place.stat().st_mode & 0o077 == 0


def test_a_damaged_position_is_named(tmp_path):
    (tmp_path / "position").write_text("x\n")
    with pytest.raises(InputError, match=r"position: expected a whole number, got 'x'; remove the file"):
        _ = WatchFolder(tmp_path).position


def test_an_outcome_that_is_damaged_counts_as_none(tmp_path):
    folder = WatchFolder(tmp_path)
    folder.note("a", Outcome("done", "x"))
    assert folder.outcome("a") == Outcome("done", "x")
    (tmp_path / "a" / "outcome.json").write_text("{")
    assert folder.outcome("a") is None
