"""A process that ends on an error that a person can mend has status 1 and one last line."""

import subprocess
import sys
import threading
import time
from multiprocessing.pool import ThreadPool

import pytest

from shared.errors import InputError, install_excepthook

START = (
    f"from {InputError.__module__} import InputError\n"
    f"from {install_excepthook.__module__} import install_excepthook\ninstall_excepthook()\n"
)


def test_the_hook_waits_for_threads_that_are_still_reading(monkeypatch, capsys):
    """An interpreter that ends while they call into PyTorch aborts."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    install_excepthook()
    reading, read = threading.Event(), []

    def read_case(number):
        if number == 0:
            reading.wait()
            raise InputError("case 0: damaged; copy it again.")
        reading.set()
        time.sleep(0.3)
        read.append(number)

    with pytest.raises(InputError) as caught, ThreadPool(2) as pool:
        list(pool.imap(read_case, [0, 1]))
    assert read == []
    sys.excepthook(InputError, caught.value, None)
    assert read == [1]
    assert capsys.readouterr().err == "Error: case 0: damaged; copy it again.\n"


@pytest.mark.parametrize(("raised", "traceback"), [("InputError('mend this')", False), ("KeyError('bug')", True)])
def test_status_and_last_line_of_a_process(raised, traceback):
    code = f"{START}try:\n    raise {raised}\nexcept Exception as error:\n    raise RuntimeError('wrapped') from error"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ("Traceback" in ended.stderr) == traceback
    if not traceback:
        assert ended.stderr.splitlines()[-1] == "Error: mend this"


def test_nothing_follows_the_last_line():
    """As ITK's wrapper warns while Python is taken down, when no filter of warnings is left."""
    code = (
        f"import os, sys\n{START}"
        "class AtTheEnd:\n    def __del__(self, write=os.write):\n        write(2, b'swigvarlink')\n"
        "sys.kept = AtTheEnd()\nraise {}('mend this')"
    )
    ended = [
        subprocess.run([sys.executable, "-c", code.format(kind)], capture_output=True, text=True)
        for kind in ("InputError", "KeyError")
    ]
    assert [process.returncode for process in ended] == [1, 1]
    assert ended[0].stderr == "Error: mend this\n"
    assert ended[1].stderr.endswith("swigvarlink")
