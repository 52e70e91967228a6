"""Files that are no weights, and weights of other networks, are refused in one line."""

import pytest
import torch
from tiny_training import OF_ANOTHER_KIND, input_error

from shared.handlers import WeightsLoader


@pytest.mark.parametrize("content", [b"", b"no weights", b"a page", b"\x80\x02}q\x00U", b"h2", b"version https://"])
def test_what_is_no_checkpoint_is_refused_whatever_unpickling_makes_of_it(tmp_path, content):
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    assert "not a readable checkpoint" in input_error(WeightsLoader(str(path), torch.nn.Linear(2, 3)))
    other = path.rename(tmp_path / f"{len(content)}.safetensors")
    assert "not a readable checkpoint (truncated?)" in input_error(WeightsLoader(str(other), torch.nn.Linear(2, 3)))


@pytest.mark.parametrize("content", [*OF_ANOTHER_KIND, {"model": {1: 2}}, {"weight": 1, "bias": 2}, {"model": {}}])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "model.pt")
    loader = WeightsLoader(str(tmp_path / "model.pt"), torch.nn.Linear(2, 3))
    assert "weights of another network" in input_error(loader)


def test_what_does_not_fit_is_named(tmp_path):
    path = tmp_path / "model.pt"
    assert "no such checkpoint; train first" in input_error(WeightsLoader(str(path), torch.nn.Linear(2, 3)))
    torch.save({"model": torch.nn.Linear(2, 3).state_dict()}, path)
    error = input_error(WeightsLoader(str(path), torch.nn.Linear(5, 3)))
    assert "of another shape 1 (e.g. 'weight': (3, 2) in the file, (3, 5) in the network)" in error
    assert "weights of another network" in input_error(WeightsLoader(str(path), torch.nn.Conv1d(2, 3, 1, bias=False)))
    path.write_bytes(path.read_bytes()[:100])
    assert "not a readable checkpoint" in input_error(WeightsLoader(str(path), torch.nn.Linear(2, 3)))


def test_entries_that_should_be_tensors_are_named(tmp_path):
    torch.save({"weight": torch.zeros(3, 2), "bias": 2}, tmp_path / "model.pt")
    error = input_error(WeightsLoader(str(tmp_path / "model.pt"), torch.nn.Linear(2, 3)))
    assert "2 entries are expected, 1 are there: no tensor 1 (e.g. bias (int)); use" in error


def test_python_objects_and_numbers_that_are_not_finite_are_refused(tmp_path):
    path = tmp_path / "model.pt"
    torch.save(torch.nn.Linear(2, 3), path)
    error = input_error(WeightsLoader(str(path), torch.nn.Linear(2, 3)))
    assert "it holds a torch.nn.modules.linear.Linear, only tensors are read; save network.state_dict()" in error
    torch.save({"weight": torch.full((3, 2), torch.nan), "bias": torch.zeros(3)}, path)
    assert "'weight' holds numbers that are not finite" in input_error(WeightsLoader(str(path), torch.nn.Linear(2, 3)))
