import logging
import warnings

import pytest

from shared.quiet import quiet


def test_hides_notes_and_warnings_but_no_errors(caplog):
    talker = logging.getLogger("talker")
    with warnings.catch_warnings(action="error"), caplog.at_level(logging.INFO), quiet("talker"):
        talker.warning("hidden")
        talker.error("shown")
        warnings.warn("hidden", stacklevel=1)
    assert [record.message for record in caplog.records] == ["shown"]


def test_other_warnings_and_loggers_are_heard(caplog):
    with warnings.catch_warnings(record=True, action="always") as heard, quiet("talker", message="hidden"):
        warnings.warn("hidden", stacklevel=1)
        warnings.warn("another", stacklevel=1)
        logging.getLogger("other").warning("heard")
    assert [str(warning.message) for warning in heard] == ["another"]
    assert [record.message for record in caplog.records] == ["heard"]


def test_levels_come_back_after_an_error():
    talker = logging.getLogger("talker")
    talker.setLevel(logging.INFO)
    with pytest.raises(ZeroDivisionError), quiet("talker"):
        1 / 0  # noqa: B018
    assert talker.level == logging.INFO
    talker.setLevel(logging.NOTSET)


def test_levels_come_back_when_threads_overlap():
    """The first one to begin ends first; the second one must not keep what the first one set."""
    talker = logging.getLogger("talker")
    first, second = quiet("talker"), quiet("talker")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert talker.level == logging.ERROR, "the second one still hides it"
    second.__exit__(None, None, None)
    assert talker.level == logging.NOTSET
