"""The examples in docstrings are true."""

import doctest
import importlib
from pathlib import Path

import pytest

MODULES = [path for path in sorted(Path("shared").glob("*/*.py")) if ">>> " in path.read_text()]


def test_examples_were_found():
    assert len(MODULES) >= 4


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_examples_of_a_module(path):
    ended = doctest.testmod(importlib.import_module(".".join(path.with_suffix("").parts)))
    assert ended.attempted > 0
    assert ended.failed == 0
