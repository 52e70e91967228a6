"""Scripted and traced networks, and half precision."""

import pytest
import torch
from subset_networks import NAN, every_network, make, mixed, run, volume

from shared.networks import UHVED, RFNet

pytestmark = every_network


def test_scripted_network_gives_the_same_for_every_subset(kind):
    network, image = make(kind).eval(), mixed(kind)
    scripted = torch.jit.script(network)
    for part in (image, image[:1], image[1:2], image[2:]):
        torch.testing.assert_close(run(scripted, part), run(network, part), rtol=1e-4, atol=1e-4)
    image[2] = NAN
    with pytest.raises(torch.jit.Error, match="no modality is available in sample 2"):
        run(scripted, image)


def assert_nan_where_nothing_is(fixed_graph, image):
    """A graph that was fixed cannot refuse a sample without modalities."""
    image = image.clone()
    image[1] = NAN
    with torch.no_grad():
        is_nan = fixed_graph(image).isnan()
    assert is_nan[1].all()
    assert not is_nan[[0, 2]].any()


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_traced_network_gives_the_same_for_every_subset(kind):
    """Traced with all modalities."""
    network, image = make(kind).eval(), mixed(kind)
    traced = torch.jit.trace(network, volume(kind, batch=3), check_trace=False)
    torch.testing.assert_close(run(traced, image), run(network, image), rtol=1e-3, atol=1e-3)
    assert_nan_where_nothing_is(traced, image)


@pytest.mark.parametrize("bias", [12.0, 30.0])
def test_half_precision_is_finite_where_networks_are_certain(kind, bias):
    """Regions that are nowhere (RFNet), and variances as small as they may be (U-HVED)."""
    network, image = make(kind), mixed(kind)
    with torch.no_grad():
        if kind is RFNet:
            for maps in (network.deepest.region_maps, *(level.skip.region_maps for level in network.levels)):
                maps.head[1].bias.copy_(torch.tensor([bias, 0.0, 0.0, 0.0]))
        if kind is UHVED:
            for encoder in network.encoders.by_modality:
                for level in encoder.levels:
                    convolution = level[1].conv
                    convolution.bias[len(convolution.bias) // 2 :] -= bias
    assert run(network, image).isfinite().all()
    with torch.autocast("cpu", torch.float16):
        assert run(network, image).isfinite().all()
    assert run(network.half(), image.half()).isfinite().all()
