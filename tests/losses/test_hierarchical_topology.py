import itertools
import math

import pytest
import torch
from label_hierarchies import GLAND_STATES, SHAPES, random_case
from torch.nn import functional

from shared.errors import InputError
from shared.losses import HierarchicalMaskLoss, HierarchicalTopologyLoss, label_states

STROMA, EPITHELIUM, LUMEN = range(3)


def from_eight_vectors(logits, state):
    """-log P_t(S) of one pixel."""
    valid = [vector for vector in itertools.product((0, 1), repeat=3) if vector in GLAND_STATES]
    weight = {vector: math.exp(sum(f * s for f, s in zip(logits, vector))) for vector in valid}
    return -math.log(weight[GLAND_STATES[state]] / sum(weight.values()))


def test_untrained_network_starts_at_log_3():
    """Three valid states of eight vectors."""
    for state in (STROMA, EPITHELIUM, LUMEN):
        loss = HierarchicalTopologyLoss()(torch.zeros(2, 3, 5, 5), torch.full((2, 1, 5, 5), state))
        assert loss.item() == pytest.approx(math.log(3))


@pytest.mark.parametrize("literal", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=["2d", "3d"])
def test_is_the_mean_over_pixels_from_all_eight_vectors(shape, literal):
    logits, label = random_case(shape)
    pixels = zip(logits.movedim(1, -1).flatten(0, -2).tolist(), label.flatten().tolist())
    labels = [sum(state) if literal else 1 for state in GLAND_STATES]  # Eq. 8: a sum over the pixel's labels
    expected = [from_eight_vectors(f, state) * labels[state] for f, state in pixels]
    found = HierarchicalTopologyLoss(literal=literal)(logits, label).item()
    assert found == pytest.approx(sum(expected) / len(expected), rel=1e-5)


def test_literal_counts_lumen_twice():
    logits = random_case()[0]
    for state, factor in ((STROMA, 1), (EPITHELIUM, 1), (LUMEN, 2)):
        label = torch.full((2, 1, 6, 5), state)
        once, literal = HierarchicalTopologyLoss()(logits, label), HierarchicalTopologyLoss(literal=True)(logits, label)
        torch.testing.assert_close(literal, factor * once)


def test_is_a_cross_entropy_with_tied_scores():
    logits, label = random_case()
    scores = torch.stack([logits[:, 0], logits[:, 1], logits[:, 1] + logits[:, 2]], dim=1)
    torch.testing.assert_close(HierarchicalTopologyLoss()(logits, label), functional.cross_entropy(scores, label[:, 0]))


def test_lumen_outside_epithelium_is_no_answer():
    """Only f_U high: the mask loss charges for one label, this one for the whole state."""
    logits = torch.tensor([-10.0, -10.0, 10.0]).view(1, 3, 1, 1)
    label = torch.full((1, 1, 1, 1), LUMEN)
    assert HierarchicalMaskLoss()(logits, label).item() == pytest.approx(10, rel=1e-3)
    # scores -10, -10, 0: lumen with epithelium is the only state that explains f_U
    assert HierarchicalTopologyLoss()(logits, label).item() == pytest.approx(2 * math.exp(-10), rel=1e-3)


def test_own_state_table_keeps_its_order():
    """The label map's numbers are the rows."""
    logits, label = random_case()
    reversed_loss = HierarchicalTopologyLoss(label_states().flip(0))
    torch.testing.assert_close(reversed_loss(logits, 2 - label), HierarchicalTopologyLoss()(logits, label))


def test_weighted_states_are_pytorchs_weighted_cross_entropy_over_the_states():
    states, weights = label_states(), [1.0, 2.0, 0.5]
    logits, label = torch.randn(2, 3, 5, 4), torch.randint(0, 3, (2, 1, 5, 4))
    scores = torch.stack([(logits * state[:, None, None]).sum(dim=1) for state in states], dim=1)
    expected = torch.nn.functional.cross_entropy(scores, label[:, 0], torch.tensor(weights))
    torch.testing.assert_close(HierarchicalTopologyLoss(state_weights=weights)(logits, label), expected)
    torch.testing.assert_close(
        HierarchicalTopologyLoss(state_weights=[7.0, 7.0, 7.0])(logits, label),
        HierarchicalTopologyLoss()(logits, label),
    )


@pytest.mark.parametrize("weights", [[1.0, 1.0], [1.0, 1.0, 0.0], [1.0, -1.0, 1.0]])
def test_every_state_needs_a_positive_weight(weights):
    with pytest.raises(InputError, match="state_weights: expected 3 positive numbers, one per state, got"):
        HierarchicalTopologyLoss(state_weights=weights)
