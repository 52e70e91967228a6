import pytest
import torch
from torch import nn

from shared.networks import EarlyFusion

SIZES = [(6, 5), (4, 5, 3)]


def network_of(spatial_dims, modalities=3):
    convolution = nn.Conv2d if spatial_dims == 2 else nn.Conv3d
    torch.manual_seed(0)
    return convolution(modalities, 2, 3, padding=1)


def image_of(size, batch=2, modalities=3):
    return torch.randn(batch, modalities, *size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", SIZES)
def test_the_network_sees_zeros_where_a_modality_is_absent_or_left_out(size):
    image, network = image_of(size), network_of(len(size))
    keep = torch.tensor([[True, False, True], [True, True, True]])
    zeroed = image.clone()
    zeroed[0, 1] = 0.0  # left out
    zeroed[1, 2] = 0.0  # absent
    image[1, 2] = torch.nan
    assert torch.equal(EarlyFusion(network)(image, keep), network(zeroed))


def test_a_channel_that_is_partly_nan_is_absent_as_a_whole():
    image = image_of((4, 4, 4))
    partly, wholly = image.clone(), image.clone()
    partly[0, 1, 2, 2, 2] = torch.nan
    wholly[0, 1] = torch.nan
    fused = EarlyFusion(network_of(3))
    assert torch.equal(fused(partly), fused(wholly))
    assert fused(partly).isfinite().all()


@pytest.mark.parametrize("content", [0.0, -1e30, float("inf"), float("nan")])
def test_what_stands_in_a_modality_that_is_left_out_changes_neither_output_nor_gradients(content):
    keep = torch.tensor([[True, True, False], [False, True, True]])

    def run(image):
        fused = EarlyFusion(network_of(3))
        output = fused(image, keep)
        output.square().sum().backward()
        return output, fused.network.weight.grad

    image, other = image_of((4, 4, 4)), image_of((4, 4, 4))
    other[~keep] = content
    for expected, found in zip(run(image), run(other), strict=True):
        assert torch.equal(expected, found)


def test_what_is_absent_stays_absent_whatever_keep_says():
    image = image_of((4, 4, 4))
    image[:, 0] = torch.nan
    fused = EarlyFusion(network_of(3))
    assert torch.equal(fused(image, torch.ones(2, 3, dtype=torch.bool)), fused(image))


@pytest.mark.parametrize("keep", [None, torch.tensor([[True, True, True], [False, True, False]])])
def test_a_sample_without_any_modality_is_refused(keep):
    image = image_of((4, 4, 4))
    image[1, [0, 1, 2] if keep is None else 1] = torch.nan
    with pytest.raises(ValueError, match="no modality is available in sample 1"):
        EarlyFusion(network_of(3))(image, keep)


@pytest.mark.parametrize("form", ["script", "trace", "export"])
def test_exported_forms_take_every_subset(form):
    fused, complete = EarlyFusion(network_of(3)).eval(), image_of((4, 4, 4))
    exported = {
        "script": lambda: torch.jit.script(fused),
        "trace": lambda: torch.jit.trace(fused, complete),
        "export": lambda: torch.export.export(fused, (complete,)).module(),
    }[form]()
    one_left = complete.clone()
    one_left[:, 1:] = torch.nan
    assert torch.equal(exported(one_left), fused(one_left))
    one_left[1] = torch.nan
    if form == "script":
        with pytest.raises(torch.jit.Error, match="no modality is available in sample 1"):
            exported(one_left)
    else:  # a graph that was fixed cannot refuse
        is_nan = exported(one_left).isnan()
        assert is_nan[1].all()
        assert not is_nan[0].any()


def test_the_state_dict_is_the_networks_own_under_network():
    network = network_of(3)
    assert list(EarlyFusion(network).state_dict()) == [f"network.{name}" for name in network.state_dict()]
