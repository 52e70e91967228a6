"""What a person can mend is one line; all else keeps its traceback."""

import errno

import pytest
import torch
from monai.bundle import ConfigParser

from shared.errors import InputError, error_line


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


def test_other_errors_keep_their_traceback():
    assert error_line(ZeroDivisionError("division by zero")) is None
