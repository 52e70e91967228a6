"""The gate turns agreement into weights: Eq. 7."""

import numpy as np
import pytest
import torch
from agreement_by_loop import closeness
from small_cloe import small_cloe

from shared.networks import ExpertGate, RFNet, gate_strength_setter


def gate():
    torch.manual_seed(0)
    layer = ExpertGate(2, 4)
    torch.nn.init.normal_(layer.perceptron[2].weight, std=5)  # as if trained
    return layer


def test_gate_is_the_printed_softmax_over_what_is_available():
    layer, scores = gate(), torch.rand(2, 4, 2)
    available, slots = torch.tensor([[True, True, False, True], [True] * 4]), torch.arange(4).expand(2, -1)
    first, _, second = layer.perceptron
    hidden = (closeness(scores) @ first.weight.detach().numpy().T + first.bias.detach().numpy()).clip(min=0)
    g = (hidden @ second.weight.detach().numpy().T)[..., 0]
    expected = np.exp(g) * available.numpy()
    expected /= expected.sum(axis=1, keepdims=True)
    weights = layer(scores, available, slots)
    np.testing.assert_allclose(weights.detach(), expected, rtol=1e-4)
    assert weights[0, 2] == 0


def test_gate_tells_experts_apart_that_nearly_agree():
    """Scores near one, as trained experts have, move the weights as far as scores that differ much."""
    available, slots = torch.ones(1, 4) > 0, torch.arange(4)[None]
    near, far = (torch.tensor([[[1 - d, 1 - d] for d in (s, s, s, 10 * s)]]) for s in (0.0005, 0.05))
    for scores in (near, far):
        weights = gate()(scores, available, slots)[0]
        assert (weights - 0.25).abs().max() > 0.1
    assert gate()(torch.ones(1, 4, 2), available, slots).isfinite().all()


def test_gate_starts_with_equal_weights_and_strength_zero_keeps_them():
    scores, available, slots = torch.rand(1, 4, 2), torch.ones(1, 4) > 0, torch.arange(4)[None]
    assert torch.equal(ExpertGate(2, 4)(scores, available, slots), torch.full((1, 4), 0.25))
    layer = gate()
    layer.set_strength(0.0)
    assert torch.equal(layer(scores, available, slots), torch.full((1, 4), 0.25))
    assert layer.state_dict()["strength"] == 0
    with pytest.raises(ValueError, match="gate strength must be finite and at least 0, got -1"):
        layer.set_strength(-1)


def test_gate_does_not_read_the_scores_of_one_or_two_modalities():
    """They need not be known: experts are not decoded for them."""
    available = torch.tensor([[True, False, True, False], [False, True, False, False]])
    weights = gate()(torch.rand(2, 4, 2), available, torch.arange(4).expand(2, -1))
    assert weights.tolist() == [[0.5, 0.0, 0.5, 0.0], [0.0, 1.0, 0.0, 0.0]]


def test_strength_of_a_gate_is_set_where_there_is_one():
    network = small_cloe()
    gate_strength_setter(network)(0.25)
    assert network.gate.strength == 0.25
    for without in (small_cloe(fusion="mean"), RFNet(features=2)):
        gate_strength_setter(without)(0.25)
