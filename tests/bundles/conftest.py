"""Every bundle in bundles/, trained once on its phantoms with its tiny settings.

A bundle is tested by being there: `configs/tiny.json` (and `inference_tiny.json`) hold the smallest settings that run;
`tests/tiny_phantoms.py` paints its data.
"""

from __future__ import annotations

import random
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import damage
import pytest
import torch
from bundle_cases import COMMANDS, read_all
from forked_python import Ended
from processes_of_tests import painted_id
from tiny_bundle import BUNDLES, TinyBundle
from tiny_phantoms import paint_tiny_phantoms

from shared.errors import error_line


@pytest.fixture(scope="session", params=BUNDLES, ids=painted_id)
def painted(request, tmp_path_factory) -> TinyBundle:
    """The bundle and its phantoms, untrained, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp(request.param.name)
    yield TinyBundle(request.param, paint_tiny_phantoms(request.param, folder / "phantoms"), folder / "trained")
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def trained(painted) -> TinyBundle:
    """The same after a tiny training."""
    painted.run("train")
    return painted


@pytest.fixture(scope="session")
def monai_bundle(forked_python) -> Callable[..., Ended]:
    """A function that runs `python -m monai.bundle` with the arguments that it is given, in a process of its own.

    Options are those of `ForkedPython.run`.
    """
    return lambda arguments, **options: forked_python.run(["-m", "monai.bundle", *arguments], **options)


@pytest.fixture
def refused_reading(painted) -> Callable[..., str]:
    """A function that reads the cases of a command and returns the line that the run would end with."""

    def read(command, **options):
        with pytest.raises((RuntimeError, ValueError)) as caught:
            read_all(painted, command, **options)
        line = error_line(caught.value)
        assert re.fullmatch(r"\S.*; .+", line)
        return line

    return read


@pytest.fixture
def refused(monai_bundle, trained, tmp_path) -> Callable[..., str]:
    """A function that runs a command of the trained bundle and returns the line that refuses it."""

    def run(command, kill_worker=False, **options):
        results = {"output_dir": tmp_path / "out"} | ({"ckpt_dir": tmp_path / "models"} if command == "train" else {})
        names = COMMANDS.get(command, ("train", command))
        ended = monai_bundle(trained.command(*names, **(results | options)), kill_worker=kill_worker)
        assert ended.status == 1, ended
        assert "Traceback" not in ended.errors
        line = ended.errors.splitlines()[-1]
        assert re.fullmatch(r"Error: \S.*; .+", line)
        return line

    return run


@pytest.fixture
def spoilt(painted, tmp_path) -> Callable[..., tuple[Path, Path]]:
    """A function that spoils one file in a copy of the data, and returns the copy's folder and the file."""

    def spoil(how, path):
        if not damage.spoils(how, path):
            pytest.skip(f"{path.name} knows no such fault")
        folder = shutil.copytree(painted.data, tmp_path / "data")
        file = folder / path.relative_to(painted.data)
        how(file)
        return folder, file

    return spoil


@pytest.fixture
def no_drawing(monkeypatch):
    """Figures are empty files, which are there sooner."""

    def touch(*data, **named):
        next(value for value in data if hasattr(value, "touch")).touch()

    for place in ("save_case.draw_overlay", "save_experts.draw_experts", "save_picture_case.draw_picture_overlay"):
        monkeypatch.setattr(f"shared.transforms.{place}", touch)


@pytest.fixture
def case(trained):
    """One case of the bundle's phantoms, with as many modalities as there are."""
    return max(trained.workflow("inference").parser.get_parsed_content("datalist"), key=len)


@pytest.fixture(autouse=True)
def keep_hook_and_seeds(monkeypatch):
    """Running a bundle sets `sys.excepthook` and seeds; undo both."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    state = random.getstate(), torch.get_rng_state()
    yield
    random.setstate(state[0])
    torch.set_rng_state(state[1])
