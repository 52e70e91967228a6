import math

import pytest
import torch
from label_hierarchies import random_case

from shared.losses import GeometryLoss, label_states, state_log_probabilities


def over_ordered_pairs(logits, label):
    """Eq. 9 pixel by pixel over its neighbours inside the image, every pair from both sides."""
    log_probabilities = state_log_probabilities(logits, label_states())
    total = 0.0
    for p in torch.cartesian_prod(*(torch.arange(size) for size in label.squeeze(1).shape)).tolist():
        for axis in range(1, len(p)):
            for step in (-1, 1):
                q = [*p]
                q[axis] += step
                if not 0 <= q[axis] < label.squeeze(1).shape[axis]:
                    continue
                own, other = label[p[0], 0][tuple(p[1:])].item(), label[q[0], 0][tuple(q[1:])].item()
                if own == other:
                    at_p = log_probabilities[(p[0], own, *p[1:])].item()
                    total += abs(at_p - log_probabilities[(q[0], other, *q[1:])].item())
    return total / label.numel()


def row(*weights):
    """Pixels in a row whose stroma has the odds `weights` against the two other states, whose scores are 0."""
    stroma = torch.tensor([2 * weight for weight in weights], dtype=torch.float64).log()
    return torch.stack([stroma, torch.zeros_like(stroma), torch.zeros_like(stroma)]).view(1, 3, 1, -1)


def test_a_pair_of_one_state_costs_the_difference_of_its_log_probabilities_from_both_sides():
    """P(stroma) = 1/2, 3/4, 1/2, P(epithelium) = 1/4 at the last: one pair of stroma, seen from both its pixels."""
    label = torch.tensor([0, 0, 1]).view(1, 1, 1, 3)
    loss = GeometryLoss()(row(1, 3, 1), label)
    assert loss.item() == pytest.approx(2 * math.log(3 / 2) / 3)
    # the same column of pixels
    assert GeometryLoss()(row(1, 3, 1).mT, label.mT).item() == pytest.approx(loss.item())
    # three of stroma: both pairs
    assert GeometryLoss()(row(1, 3, 1), 0 * label).item() == pytest.approx(4 * math.log(3 / 2) / 3)


@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (1, 3, 3, 4, 2), (1, 3, 1, 6)], ids=["2d", "3d", "one row"])
def test_is_eq_9_over_ordered_pairs(shape):
    logits, label = random_case(shape)
    assert GeometryLoss()(logits, label).item() == pytest.approx(over_ordered_pairs(logits, label), rel=1e-5)


def test_no_neighbours_beyond_the_border_or_in_another_image():
    """Two images, each constant: pairs across the batch, or around the border, would cost."""
    logits = torch.tensor([-3.0, 5.0]).view(2, 1, 1, 1).expand(2, 3, 4, 4)
    assert GeometryLoss()(logits, torch.zeros(2, 1, 4, 4)) == 0
    ramp = torch.tensor([0.0, 1.0, 2.0]).view(1, 1, 1, 3).expand(1, 3, 1, 3) * torch.tensor([1.0, 0, 0]).view(
        1, 3, 1, 1
    )
    log_p = state_log_probabilities(ramp, label_states())[0, 0, 0]
    expected = 2 * (log_p[2] - log_p[0]) / 3  # a ramp's steps add up
    torch.testing.assert_close(GeometryLoss()(ramp, torch.zeros(1, 1, 1, 3)), expected)


def test_neighbours_of_other_states_may_differ():
    label = torch.tensor([0, 1, 2, 0]).view(1, 1, 1, 4)
    assert GeometryLoss()(random_case((1, 3, 1, 4))[0], label) == 0


def test_constant_output_is_an_optimum_whatever_it_says():
    """Why it is a penalty beside another loss, never one alone: here the answer is wrong everywhere."""
    logits = torch.tensor([9.0, -9.0, -9.0]).view(1, 3, 1, 1).repeat(1, 1, 4, 4).requires_grad_()
    loss = GeometryLoss()(logits, torch.full((1, 1, 4, 4), 2))
    loss.backward()
    assert loss == 0
    assert logits.grad.abs().max() == 0


def test_single_pixel_has_no_neighbours():
    assert GeometryLoss()(torch.randn(2, 3, 1, 1), torch.zeros(2, 1, 1, 1)) == 0
