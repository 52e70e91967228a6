import subprocess
import sys

import pytest

from shared.errors import InputError
from shared.handlers import one_line_of


def chained(cause):
    error = RuntimeError("Failed to instantiate component")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("data: no such folder."), "data: no such folder."),
        (chained(InputError("data: no such folder.")), "data: no such folder."),
        (RuntimeError("DataLoader worker (pid(s) 12) exited unexpectedly"), "a data loading process was ended"),
        (chained(RuntimeError("DataLoader worker (pid 12) is killed by signal: Killed.")), "a data loading process"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), "smaller --batch_size"),
    ],
)
def test_causes_that_a_person_can_mend_become_one_line(error, line):
    assert line in one_line_of(error)
    assert "\n" not in one_line_of(error)


def test_other_errors_keep_their_traceback():
    assert one_line_of(ZeroDivisionError("division by zero")) is None


@pytest.mark.parametrize(("raised", "traceback"), [("InputError('mend this')", False), ("KeyError('bug')", True)])
def test_status_and_last_line_of_a_process(raised, traceback):
    code = (
        "from shared.errors import InputError\nfrom shared.handlers.one_line_errors import install_one_line_errors\n"
        f"install_one_line_errors()\ntry:\n    raise {raised}\nexcept Exception as error:\n"
        "    raise RuntimeError('wrapped') from error"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ("Traceback" in ended.stderr) == traceback
    if not traceback:
        assert ended.stderr.splitlines()[-1] == "Error: mend this"
