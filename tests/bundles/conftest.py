"""Every bundle in bundles/, trained once on its phantoms with its tiny settings.

A bundle is tested by being there: `configs/tiny.json` (and `inference_tiny.json`) hold the smallest settings that run;
`tests/tiny_phantoms.py` paints its data.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch
from forked_python import Ended, ForkedPython
from monai.bundle import ConfigWorkflow
from tiny_phantoms import paint_tiny_phantoms

ON_ONE_THREAD = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONFAULTHANDLER": "1"}  # an abort shows where
BUNDLES = sorted(path.parent.parent for path in Path("bundles").glob("*/configs/train.json"))


@dataclass(frozen=True)
class Bundle:
    """A bundle in the repository, its phantoms, and where a run leaves its results."""

    root: Path
    data: Path
    out: Path

    def files(self, *names: str) -> list[str]:
        return [str(self.root / "configs" / f"{name}.json") for name in names]

    def tiny_files(self, *names: str) -> list[str]:
        """Return the named configs with the tiny settings after the first."""
        return self.files(names[0], "inference_tiny" if names[0] == "inference" else "tiny", *names[1:])

    def settings(self, *names: str) -> dict[str, str]:
        """Return the settings without which nothing runs."""
        inference = names[0] == "inference"
        return {
            "bundle_root": str(self.root),
            "dataset_dir": str(self.data),
            "output_dir": str(self.out),
            "ckpt_path" if inference else "ckpt_dir": str(self.out / "models" / ("model.pt" if inference else "")),
        }

    def workflow(self, *names: str, **options) -> ConfigWorkflow:
        """Build and initialise a workflow of the named configs, tiny settings included."""
        kind = "infer" if names[0] == "inference" else "train"
        settings = {**self.settings(*names), **options}
        workflow = ConfigWorkflow(self.tiny_files(*names), logging_file=False, workflow_type=kind, **settings)
        workflow.initialize()
        return workflow

    def command(self, *names: str, **options) -> list[str]:
        """Return the arguments of `python -m monai.bundle` for the same."""
        settings = {**self.settings(*names), **options}
        arguments = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        return ["run", "--config_file", str(self.tiny_files(*names)), *arguments]

    def run(self, *names: str, **options) -> ConfigWorkflow:
        """Run to the end."""
        workflow = self.workflow(*names, **options)
        workflow.run()
        workflow.finalize()
        return workflow


@pytest.fixture(scope="session", params=BUNDLES, ids=lambda path: path.name)
def trained(request, tmp_path_factory) -> Bundle:
    """The bundle after a tiny training, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp(request.param.name)
    bundle = Bundle(request.param, paint_tiny_phantoms(request.param, folder / "phantoms"), folder / "trained")
    bundle.run("train")
    yield bundle
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def monai_bundle() -> Callable[..., Ended]:
    """A function that runs `python -m monai.bundle` with the arguments that it is given, in a process of its own.

    Options are those of `ForkedPython.run`.
    """
    python = ForkedPython({**os.environ, **ON_ONE_THREAD})

    def run(arguments: list[str], **options) -> Ended:
        return python.run(["-m", "monai.bundle", *arguments], **options)

    yield run
    python.close()


@pytest.fixture
def two_processes(monai_bundle, trained) -> Callable[[list[str]], Ended]:
    """The same in two processes: started by torchrun on one bundle, on the others with the variables that it sets."""

    def torchrun(arguments: list[str]) -> Ended:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m"]
        environment = {**os.environ, **ON_ONE_THREAD, "PYTHONPATH": str(Path.cwd())}
        options = {"capture_output": True, "text": True, "env": environment, "timeout": 600}
        ended = subprocess.run([*command, "monai.bundle", *arguments], **options)
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return torchrun if trained.root == BUNDLES[0] else partial(monai_bundle, processes=2)


@pytest.fixture(autouse=True)
def keep_hook_and_seeds(monkeypatch):
    """Running a bundle sets `sys.excepthook` and seeds; undo both."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    state = random.getstate(), torch.get_rng_state()
    yield
    random.setstate(state[0])
    torch.set_rng_state(state[1])
