"""What the linter knows about a target: whether it is there, and which arguments it takes."""

import monai.data
import pytest
import torch

from ci.lint.config_targets import arguments_of, locate_target
from shared.transforms import PrepareBraind


def function(first, second=2, *, third, **others): ...


def strict(first, *, second=2): ...


class OfThisModule:
    def __init__(self, first, second=2): ...


class HandsOnWithinThePackage(OfThisModule):
    def __init__(self, **others): ...


class HandsOnToPyTorch(torch.nn.Linear):
    def __init__(self, own, **others): ...


class TakesAnything(torch.nn.Module):
    def __init__(self, **others): ...


class ParentWithoutArguments(torch.utils.data.Dataset):
    def __init__(self, **others): ...


@pytest.mark.parametrize(
    ("target", "taken", "needed"),
    [
        (function, None, {"first", "third"}),
        (strict, {"first", "second"}, {"first"}),
        (OfThisModule, {"first", "second"}, {"first"}),
        (HandsOnWithinThePackage, None, set()),
        (
            HandsOnToPyTorch,
            {"own", "in_features", "out_features", "bias", "device", "dtype"},
            {"own"},
        ),
        (TakesAnything, None, set()),
        (ParentWithoutArguments, None, set()),
        (dict, None, set()),  # Python cannot tell
    ],
)
def test_arguments(target, taken, needed):
    assert arguments_of(target) == (taken, needed)


def test_a_class_of_monai_that_hands_its_arguments_on_to_pytorch():
    taken, needed = arguments_of(monai.data.DataLoader)
    assert {"dataset", "num_workers", "sampler"} <= taken
    assert needed == {"dataset"}


def test_a_class_of_shared_that_hands_its_arguments_on_to_its_parent():
    taken, needed = arguments_of(PrepareBraind)
    assert {"margin", "layout", "axcodes"} <= taken
    assert "axcode" not in taken
    assert needed == {"modalities", "spacing_mm"}


@pytest.mark.parametrize(
    ("target", "found"),
    [("SimpleInferer", monai.inferers.SimpleInferer), ("torch.nn.Linear", torch.nn.Linear), ("len", len)],
)
def test_targets_that_are_there(target, found):
    assert locate_target(target) == (found, "")


@pytest.mark.parametrize("target", ["SimpleInferrer", "torch.nn.Lineal", "nowhere.Thing", "math.pi", "torch.nn"])
def test_targets_that_are_not(target):
    assert locate_target(target) == (None, "no such class or function")


def test_a_module_that_fails_when_it_is_imported_is_a_reason(tmp_path, monkeypatch):
    (tmp_path / "a_broken_module.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    found, reason = locate_target("a_broken_module.Thing")
    assert found is None
    assert "division by zero" in reason
