import pytest
import torch
from monai.data import MetaTensor
from monai.inferers import SimpleInferer, SlidingWindowInferer

from shared.inferers import ExpertsInferer, GateScopeInferer
from shared.networks import CLoE, RFNet

WINDOWS = {"roi_size": (16, 16, 16), "sw_batch_size": 3, "overlap": 0.5}


def make(**options):
    torch.manual_seed(0)
    network = CLoE(features=2, **options).eval()
    if network.gate is not None:
        torch.nn.init.normal_(network.gate.perceptron[2].weight, std=50)  # as if trained
    return network


def volume():
    """Two cases of 24 x 16 x 16; the second has two modalities only."""
    image = torch.randn(2, 4, 24, 16, 16, generator=torch.Generator().manual_seed(0))
    image[:, 1, 12:] *= 5
    image[1, 2:] = torch.nan
    return image


@torch.no_grad()
@pytest.mark.parametrize("scope", ["window", "case"])
def test_logits_are_those_of_the_scope_alone_and_the_rest_is_what_experts_say(scope):
    network, image, sliding = make(), volume(), SlidingWindowInferer(**WINDOWS)
    output = ExpertsInferer(sliding, scope)(MetaTensor(image, affine=torch.diag(torch.tensor([2.0, 2, 2, 1]))), network)
    assert output.affine[..., 0, 0].max() == 2
    output = output.as_tensor()
    logits, experts, region, weights = output.split([4, 16, 1, 4], dim=1)
    torch.testing.assert_close(logits, GateScopeInferer(sliding, scope)(image, network), rtol=1e-3, atol=1e-3)
    parts = network.experts(image[:, :, :16])  # the first eight planes are in one window only
    expected = parts["experts"].softmax(dim=2).flatten(1, 2)[:, :, :8]
    torch.testing.assert_close(experts[:1, :, :8], expected[:1], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(experts[1:, :8, :8], expected[1:, :8], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(region[:, :, :8], parts["region"].sigmoid()[:, :, :8], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2, 24, 16, 16))
    assert torch.equal(weights[1, :, 0, 0, 0], torch.tensor([0.5, 0.5, 0, 0]))
    spread = weights[0].flatten(1).std(dim=1).max()
    assert spread < 1e-6 if scope == "case" else spread > 0.01


@torch.no_grad()
def test_weights_of_a_window_are_those_of_training():
    network, image = make(), volume()[:1, :, :16]
    weights = ExpertsInferer(SimpleInferer())(image, network)[0, -4:, 0, 0, 0]
    torch.testing.assert_close(weights, network.train()(image)["weights"][0], rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_forms_without_region_map_and_without_weights():
    image = volume()[:, :, :16]
    network = make(fusion="mean", region_map=False)
    output = ExpertsInferer(SimpleInferer())(image, network)
    assert output.shape[1] == 4 + 16 + 4
    torch.testing.assert_close(output[:, :4], network(image), rtol=1e-3, atol=1e-3)
    assert torch.equal(output[0, -4:, 0, 0, 0], torch.full((4,), 0.25))
    network = make(fusion="concat")
    output = ExpertsInferer(SimpleInferer())(image, network)
    torch.testing.assert_close(output[:, :4], network(image), rtol=1e-3, atol=1e-3)
    assert output[:, -4:].isnan().all()


@torch.no_grad()
def test_a_network_without_experts_and_an_export_give_their_logits():
    image = volume()[:, :, :16]
    for network in (RFNet(features=2).eval(), torch.jit.script(make())):
        torch.testing.assert_close(ExpertsInferer(SimpleInferer())(image, network), network(image))
