"""Content, style and image branches, which a training may ask for."""

import pytest
import torch
from small_cloe import NAN, small_cloe, volume

from shared.errors import InputError


def test_branches_see_complete_images_and_only_those_asked_for_exist():
    image, keep = volume(), torch.tensor([[True, False, False, False]])
    network = small_cloe(branches=["content", "style", "images"])
    with torch.no_grad():
        output = network(image, keep)
        other = network(torch.where(keep.view(1, 4, 1, 1, 1), image, image + 1), keep)
    assert output["content"].flatten(2).any(2).all()
    assert (output["style"] - other["style"])[0].abs().amax(1).gt(0).tolist() == [False, True, True, True]
    assert (output["images"] - other["images"])[0].flatten(1).any(1).tolist() == [False, True, True, True]
    torch.testing.assert_close(output["pred"], other["pred"])
    assert "style" not in small_cloe(branches=["content"])(image, keep)
    assert not [name for name, _ in small_cloe(branches=["content"]).named_parameters() if name.startswith("branches")]
    with pytest.raises(InputError, match="branches: give a list of content, style, images, got"):
        small_cloe(branches=["image"])


def test_gradients_reach_every_parameter_with_all_branches():
    network = small_cloe(branches=["content", "style", "images"])
    output = network(volume(batch=2), torch.tensor([[True] * 4, [True, True, False, True]]))
    sum(value.square().mean() for value in output.values() if value.is_floating_point()).backward()
    without = {name for name, parameter in network.named_parameters() if parameter.grad is None}
    assert not without
    zero = {name for name, parameter in network.named_parameters() if not parameter.grad.any()}
    assert all(name.endswith("bias") for name in zero)  # cancelled by the normalisation that follows


def test_branches_are_zero_for_a_modality_that_no_sample_has():
    image = volume(batch=2)
    image[:, 1] = NAN
    output = small_cloe(branches=["content", "style", "images"])(image)
    for name in ("content", "style", "images", "style_mean", "style_log_variance"):
        assert output[name].flatten(2).any(2).tolist() == [[True, False, True, True]] * 2
