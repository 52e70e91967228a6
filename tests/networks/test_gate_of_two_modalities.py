"""With one or two modalities the gate cannot weigh by agreement, because two experts agree equally with each other."""

import pytest
import torch
from small_cloe import SIZE, run, small_cloe, volume

from shared.networks import agreement_scores, expert_similarities


def test_with_two_experts_both_have_the_same_scores_whatever_they_say():
    """S is symmetric, so that no function of the scores can tell the two apart."""
    torch.manual_seed(0)
    for _ in range(5):
        probabilities, available = torch.rand(3, 2, 3, 5, 5), torch.ones(3, 2) > 0
        scores = agreement_scores(expert_similarities(probabilities, available, torch.rand(3, 1, 5, 5)), available)
        torch.testing.assert_close(scores[:, 0], scores[:, 1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("modalities", [2, 4])
def test_gate_is_inert_with_two_modalities(modalities, dense, training):
    """Exactly: another gate changes no bit of the output."""
    network, keep = small_cloe(in_channels=modalities, dense=dense), torch.arange(modalities)[None] < 2
    image = volume(modalities=modalities)
    outputs = []
    for _ in range(2):
        torch.nn.init.normal_(network.gate.perceptron[2].weight, std=100)
        with torch.no_grad():
            output = network.train(training)(image, keep)
        if training:
            assert output["weights"][0].tolist() == [0.5, 0.5, 0.0, 0.0][:modalities]
        outputs.append(output["pred"] if training else output)
    assert torch.equal(*outputs)


def test_a_bias_per_modality_acts_on_two():
    network = small_cloe(in_channels=2, modality_bias=True)
    assert run(network, volume(modalities=2)).shape == (1, 4, *SIZE)
    with torch.no_grad():
        network.gate.bias.copy_(torch.tensor([1.0, 0.0]))
        weights = network.train()(volume(modalities=2))["weights"][0]
    torch.testing.assert_close(weights, torch.tensor([1.0, 0.0]).softmax(dim=0))
    network.train()(volume(modalities=2))["pred"].square().mean().backward()
    assert network.gate.bias.grad.abs().min() > 0
