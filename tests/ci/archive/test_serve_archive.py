"""The command asks an absent archive again, and checks its numbers."""

import pytest

from ci.archive import serve_archive
from ci.archive.orthanc import ArchiveError
from shared.errors import InputError


def test_an_absent_archive_is_said_once_and_asked_again(monkeypatch, caplog):
    caplog.set_level("INFO", "serve-archive")
    away = ArchiveError("http://a: gives no answer.")
    steps = iter([away, away, None, StopIteration()])

    def catch_up():
        step = next(steps)
        if step is not None:
            raise step

    monkeypatch.setattr(serve_archive.time, "sleep", lambda seconds: None)
    with pytest.raises(StopIteration):
        serve_archive.watch(catch_up, 5.0)
    assert caplog.messages == ["http://a: gives no answer.", "the archive answers again."]


def test_numbers_of_the_command_line_are_checked():
    with pytest.raises(InputError, match=r"--timeout_s: expected a number from 1 on, got 0"):
        serve_archive.main("b", "http://a", "o", timeout_s=0)
