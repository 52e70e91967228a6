"""Probabilities of the states of a label hierarchy."""

import itertools
import math

import pytest
import torch
from label_hierarchies import GLAND_STATES, SHAPES, random_case

from shared.losses import label_states, state_log_probabilities


def brute_force(logits):
    """P of the three states from all eight vectors: V(S) exp(sum_r f_r S_r), then divided by the sum."""
    weights = {}
    for state in itertools.product((0, 1), repeat=3):
        exponentials = math.prod(math.exp(f * s) for f, s in zip(logits, state))
        weights[state] = exponentials if state in GLAND_STATES else 0.0
    total = sum(weights.values())
    return [weights[state] / total for state in GLAND_STATES]


@pytest.mark.parametrize("shape", SHAPES, ids=["2d", "3d"])
def test_probabilities_are_those_of_all_eight_vectors(shape):
    logits, _ = random_case(shape)
    log_probabilities = state_log_probabilities(logits, label_states())
    assert log_probabilities.shape == shape
    expected = [brute_force(pixel) for pixel in logits.movedim(1, -1).flatten(0, -2).tolist()]
    found = log_probabilities.exp().movedim(1, -1).flatten(0, -2)
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-5, atol=2e-7)


def test_weights_of_2_3_and_15_are_divided_by_their_sum():
    """f = (log 2, log 3, log 5): weights 2, 3 and 3 x 5."""
    logits = torch.tensor([[2.0, 3.0, 5.0]], dtype=torch.float64).log()
    expected = torch.tensor([[2.0, 3.0, 15.0]], dtype=torch.float64) / 20
    torch.testing.assert_close(state_log_probabilities(logits, label_states()).exp(), expected)


def test_product_of_eq_7_as_printed_is_zero_for_every_valid_state():
    """prod_r exp(f_r) S_r: a factor S_r = 0 takes all with it, and leaves 0 / 0. Hence exp(f_r S_r)."""
    logits = torch.tensor([0.3, -1.2, 2.0])
    as_printed = [(logits.exp() * torch.tensor(state)).prod().item() for state in GLAND_STATES]
    assert as_printed == [0, 0, 0]


def test_float16_logits_are_taken_to_float32():
    logits = torch.tensor([[90.0, 100.0, 200.0]])
    for states in (label_states(), label_states().long()):
        halved = state_log_probabilities(logits.half(), states)
        assert halved.dtype == torch.float32
        torch.testing.assert_close(halved, state_log_probabilities(logits, label_states()))


def test_probabilities_refuse_other_channels():
    with pytest.raises(ValueError, match=r"logits must be \(B, 3, \*spatial\), got \(1, 2, 4, 4\)"):
        state_log_probabilities(torch.zeros(1, 2, 4, 4), label_states())
