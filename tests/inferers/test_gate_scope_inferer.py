import pytest
import torch
from monai.inferers import SimpleInferer, SlidingWindowInferer

from shared.errors import InputError
from shared.inferers import GateScopeInferer
from shared.networks import CLoE, RFNet

NAN = float("nan")
WINDOWS = {"roi_size": (16, 16, 16), "sw_batch_size": 3, "overlap": 0.5}


def make():
    torch.manual_seed(0)
    network = CLoE(features=2).eval()
    torch.nn.init.normal_(network.gate.perceptron[2].weight, std=50)  # as if trained
    return network


def volume():
    """Two cases of 24 x 16 x 16, the second without modality 2, its halves unlike each other."""
    image = torch.randn(2, 4, 24, 16, 16, generator=torch.Generator().manual_seed(0))
    image[:, 1, 12:] *= 5
    image[1, 2] = NAN
    return image


@torch.no_grad()
def run(inferer, image, network):
    return inferer(image, network)


def test_of_one_window_case_and_window_are_the_same():
    network, image = make(), volume()
    for scope in ("window", "case"):
        output = run(GateScopeInferer(SimpleInferer(), scope), image, network)
        with torch.no_grad():
            torch.testing.assert_close(output, network(image), rtol=1e-3, atol=1e-3)


def test_window_is_the_inferer_alone():
    network, image, sliding = make(), volume(), SlidingWindowInferer(**WINDOWS)
    assert torch.equal(run(GateScopeInferer(sliding, "window"), image, network), run(sliding, image, network))


def test_case_gives_every_window_the_weights_of_the_blended_experts():
    """By hand: windows at 0 and 8 of the first axis, each voxel the mean of the windows that see it."""
    network, image = make(), volume()[:1]
    inferer = GateScopeInferer(SlidingWindowInferer(**WINDOWS), "case")
    with torch.no_grad():
        parts = [network.experts(image[:, :, start : start + 16]) for start in (0, 8)]

        def blend(first, second):
            total = torch.zeros(*first.shape[:-3], 24, 16, 16)
            total[..., :16, :, :] += first
            total[..., 8:, :, :] += second
            total[..., 8:16, :, :] /= 2
            return total

        experts = blend(*(part["experts"].softmax(dim=2) for part in parts))
        region = blend(*(part["region"].sigmoid() for part in parts))
        weights, scores = network.weigh(experts, torch.ones(1, 4) > 0, region)
        ours = inferer.weigh(image, network)
        torch.testing.assert_close(ours[0], weights, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(ours[1], scores)
        windows = [network(image[:, :, start : start + 16], weights=weights) for start in (0, 8)]
    assert weights.std() > 0.01
    torch.testing.assert_close(run(inferer, image, network), blend(*windows), rtol=2e-3, atol=2e-3)


def test_cases_of_a_batch_have_weights_of_their_own():
    network, image = make(), volume()
    inferer = GateScopeInferer(SlidingWindowInferer(**WINDOWS), "case")
    together = run(inferer, image, network)
    for number in range(2):
        alone = run(inferer, image[number : number + 1], network)
        torch.testing.assert_close(together[number], alone[0], rtol=1e-3, atol=1e-3)
    with torch.no_grad():
        assert inferer.weigh(image[1:], network)[0][0, 2] == 0


def test_another_network_or_scope_is_refused():
    with pytest.raises(InputError, match="gate_scope must be one of window, case, got 'patient'"):
        GateScopeInferer(SimpleInferer(), "patient")
    with pytest.raises(InputError, match="gate_scope: RFNet has no experts to weigh; take the network CLoE"):
        GateScopeInferer(SimpleInferer(), "case")(volume(), RFNet(features=2).eval())
