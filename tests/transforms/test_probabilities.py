import math

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from shared.transforms import (
    HierarchicalSegmentationd,
    MaskAndClassd,
    SegmentOnGridd,
    probabilities_on_grid,
    segment_on_grid,
)
from shared.transforms.probabilities_file import write_probabilities


def at_corner(*millimetres):
    affine = torch.eye(4, dtype=torch.float64)
    affine[:3, 3] = torch.tensor(millimetres, dtype=torch.float64)
    return affine


def test_same_voxels_keep_the_softmax_and_outside_all_is_background():
    """Logits 0 and log 3 are 1/4 and 3/4; the grid begins a voxel before them, on a flipped axis."""
    logits = torch.zeros(2, 2, 2, 2)
    logits[1] = math.log(3)
    logits[1, 1] = 0
    grid = at_corner(2, 0, 0)
    grid[0, 0] = -1  # voxels 0, 1, 2 are at 2, 1, 0 mm
    found = probabilities_on_grid(logits, torch.eye(4), grid, (3, 2, 2))
    assert found.dtype == torch.float16
    assert found[:, :, 0, 0].tolist() == [[1, 0.5, 0.25], [0, 0.5, 0.75]]


def test_between_voxels_logits_are_interpolated_as_for_the_label_map():
    logits = torch.randn(3, 5, 6, 4, generator=torch.Generator().manual_seed(0)) * 4
    place = (torch.eye(4), at_corner(-0.6, 0.3, 0.4), (7, 5, 4))
    probabilities = probabilities_on_grid(logits, *place)
    classes, uncertainty = segment_on_grid(logits, *place)
    torch.testing.assert_close(probabilities.float().sum(dim=0), torch.ones(7, 5, 4), atol=2e-3, rtol=0)
    largest = probabilities.gather(0, classes.long()).float()
    torch.testing.assert_close(largest, 1 - uncertainty, atol=1e-3, rtol=0)
    assert probabilities[0, 0].eq(1).all()  # at -0.6 mm: more than half a voxel outside


def test_disagreement_comes_from_the_grid_of_the_logits():
    """The image's voxels are half a voxel off along the first axis: halfway between, and the edge's own value."""
    logits = MetaTensor(torch.zeros(2, 3, 2, 2))
    disagreement = MetaTensor(torch.tensor([0.0, 1.0, 3.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2).clone())
    image = MetaTensor(torch.zeros(1, 3, 2, 2), affine=at_corner(0.5, 0, 0))
    found = SegmentOnGridd()({"pred": logits, "image": image, "disagreement": disagreement})["disagreement"]
    torch.testing.assert_close(found[0, :, 0, 0].as_tensor(), torch.tensor([0.5, 2.0, 3.0]))


def test_every_kind_of_output_gives_probabilities_on_demand():
    image = MetaTensor(torch.zeros(1, 2, 2, 2))
    logits = MetaTensor(torch.zeros(2, 2, 2, 2))
    segmented = SegmentOnGridd(probabilities=True)({"pred": logits, "image": image})
    assert segmented["probabilities"].shape == (2, 2, 2, 2)
    assert "probabilities" not in SegmentOnGridd()({"pred": logits, "image": image})
    flat = torch.full((4, 3, 3), math.log(3))
    found = MaskAndClassd(num_classes=3, probabilities=True)({"pred": flat})["probabilities"]
    assert found[:, 0, 0].tolist() == [0.25, 0.75]
    states = HierarchicalSegmentationd(probabilities=True)({"pred": torch.zeros(5, 3, 3)})["probabilities"]
    np.testing.assert_allclose(states[:, 0, 0], [1 / 3] * 3, atol=1e-3)


def test_file_names_the_classes_and_says_where_it_is(tmp_path):
    values = torch.rand(2, 3, 4, 5).half()
    for name in ("one.npz", "two.npz"):
        write_probabilities(tmp_path / name, MetaTensor(values, affine=at_corner(1, 2, 3)), ["background", "lesion"])
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    with np.load(tmp_path / "one.npz") as saved:
        assert saved["probabilities"].dtype == np.float16
        np.testing.assert_array_equal(saved["probabilities"], values.numpy())
        assert saved["classes"].tolist() == ["background", "lesion"]
        np.testing.assert_array_equal(saved["affine"], at_corner(1, 2, 3))
    with pytest.raises(ValueError, match=r"2 probabilities do not fit the classes \['lesion'\]"):
        write_probabilities(tmp_path / "three.npz", values, ["lesion"])
