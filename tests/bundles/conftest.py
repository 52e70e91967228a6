"""Every bundle in bundles/, trained once on its phantoms with its tiny settings.

A bundle is tested by being there: `configs/tiny.json` (and `inference_tiny.json`) hold the smallest settings that run;
`tests/tiny_phantoms.py` paints its data.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable

import pytest
import torch
from forked_python import Ended
from tiny_bundle import BUNDLES, TinyBundle
from tiny_phantoms import paint_tiny_phantoms


@pytest.fixture(scope="session", params=BUNDLES, ids=lambda path: path.name)
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


@pytest.fixture(autouse=True)
def keep_hook_and_seeds(monkeypatch):
    """Running a bundle sets `sys.excepthook` and seeds; undo both."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    state = random.getstate(), torch.get_rng_state()
    yield
    random.setstate(state[0])
    torch.set_rng_state(state[1])
