"""Packed bundles in processes that know nothing of the repository: all ways into one, an inference of the others."""

from pathlib import Path

import pytest
from entry_points import ENTRY_POINTS, outcomes_of

from ci.lint.config_files import bundles_below

BUNDLES = bundles_below(Path())
CHEAPEST = Path("bundles/prostate_mri_segmentation_expert_consistency")
TRIED = [(bundle, entry) for bundle in BUNDLES for entry in ENTRY_POINTS if bundle == CHEAPEST or entry.everywhere]
IS_CLEAN = """
import os, sys
assert sys.argv == ["-c", "an argument"] and sys.path[0] == "" and __name__ == "__main__"
assert os.getcwd() == {folder!r} and "PYTHONPATH" not in os.environ
assert "monai" in sys.modules and not {{"ci", "shared", "conftest", "pytest"}} & sys.modules.keys()
assert not [path for path in sys.path if path.startswith({repository!r}) and "site-packages" not in path], sys.path
try:
    import shared
except ImportError:
    sys.exit(3)
"""


@pytest.fixture(scope="module")
def outcome_of(forked_python):
    """A function that tries all entry points of a bundle when it is first asked for one."""
    outcomes = {}

    def outcome(bundle, entry):
        if bundle not in outcomes:
            entries = [entry for tried, entry in TRIED if tried == bundle]
            outcomes[bundle] = dict(zip(entries, outcomes_of(bundle, entries, forked_python), strict=True))
        return outcomes[bundle][entry]

    return outcome


@pytest.mark.parametrize(("bundle", "entry"), TRIED, ids=lambda value: getattr(value, "name", None))
def test_entry_point(outcome_of, bundle, entry):
    outcome = outcome_of(bundle, entry)
    assert outcome.works == entry.works, outcome.report


def test_a_forked_process_knows_nothing_of_the_repository(forked_python, tmp_path):
    code = IS_CLEAN.format(folder=str(tmp_path), repository=str(Path.cwd()))
    ended = forked_python.run(["-c", code, "an argument"], folder=tmp_path)
    assert (ended.status, ended.errors) == (3, "")


def test_a_forked_process_that_hangs_is_ended(forked_python):
    assert forked_python.run(["-c", "import time; time.sleep(600)"], seconds=1).status == -14


def test_there_are_seventeen_and_all_but_one_work():
    assert len(ENTRY_POINTS) == 17
    assert [entry.where for entry in ENTRY_POINTS if not entry.works] == ["elsewhere"]
    assert sum(entry.everywhere for entry in ENTRY_POINTS) == 1
