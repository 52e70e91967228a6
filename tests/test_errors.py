import errno
import subprocess
import sys
import threading
import time
from multiprocessing.pool import ThreadPool

import pytest
import torch
from monai.bundle import ConfigParser

from shared.errors import InputError, error_line, install_excepthook


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
        (
            chained(ValueError("the referring item `@lr` is not defined in the config content.")),
            "@lr names no setting; ",
        ),
        (
            ValueError("Expected more than 1 value per channel when training, got input size [1, 8, 1, 1]"),
            "--patch_size",
        ),
        (RuntimeError("unable to write to file </torch_1_2>: No space left on device (28)"), "--shm-size"),
    ],
)
def test_causes_that_a_person_can_mend_become_one_line(error, line):
    assert line in error_line(error)
    assert "\n" not in error_line(error)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        chained(MemoryError("Unable to allocate 2.00 GiB for an array")),
        chained(RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")),
        RuntimeError("std::bad_alloc"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ],
)
def test_no_memory_names_the_settings_of_the_run_that_help(error):
    line = error_line(error, {"patch_size", "num_workers", "dataset_dir"})
    assert "memory is too small" in line
    assert line.endswith("use a smaller --patch_size, fewer --num_workers, or smaller images.")
    assert "\n" not in line


def test_no_memory_while_a_case_is_read_is_no_damaged_file():
    error = InputError("case.nii: cannot be read, it is damaged; copy it again.")
    error.__cause__ = MemoryError()
    assert "memory is too small" in error_line(error)
    assert "GPU" not in error_line(error)


def test_a_component_that_refuses_its_arguments_is_named():
    config = {"_target_": "SwinUNETR", "in_channels": 1, "out_channels": 1, "feature_size": 10}
    with pytest.raises(RuntimeError) as caught:
        ConfigParser({"a": config}).get_parsed_content("a")
    line = error_line(caught.value)
    assert line == "SwinUNETR: feature_size should be divisible by 12; correct the settings that it is given."


@pytest.mark.parametrize("convolution", [torch.nn.Conv2d, torch.nn.Conv3d])
def test_network_and_images_that_disagree_on_the_channels(convolution):
    with pytest.raises(RuntimeError) as caught:
        convolution(2, 4, 1)(torch.zeros(1, 3, *[5] * (2 + (convolution is torch.nn.Conv3d))))
    assert "takes images of 2 channels, but these have 3; make --network_def#in_channels" in error_line(caught.value)


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


def test_other_errors_keep_their_traceback():
    assert error_line(ZeroDivisionError("division by zero")) is None


@pytest.mark.parametrize(("raised", "traceback"), [("InputError('mend this')", False), ("KeyError('bug')", True)])
def test_status_and_last_line_of_a_process(raised, traceback):
    code = (
        "from shared.errors import InputError\nfrom shared.errors import install_excepthook\n"
        f"install_excepthook()\ntry:\n    raise {raised}\nexcept Exception as error:\n"
        "    raise RuntimeError('wrapped') from error"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ("Traceback" in ended.stderr) == traceback
    if not traceback:
        assert ended.stderr.splitlines()[-1] == "Error: mend this"


def test_nothing_follows_the_last_line():
    """As ITK's wrapper warns while Python is taken down, when no filter of warnings is left."""
    code = (
        "import os, sys\nfrom shared.errors import InputError, install_excepthook\ninstall_excepthook()\n"
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
