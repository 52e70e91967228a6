import math

import pytest
import torch

from shared.losses import HierarchicalMaskLoss

STROMA, EPITHELIUM, LUMEN = range(3)


def pixel(*logits):
    return torch.tensor(logits, dtype=torch.float64).view(1, 3, 1, 1)


def label(*states):
    return torch.tensor(states).view(1, 1, 1, -1)


def test_untrained_network_starts_at_three_bits_per_pixel():
    for size in (4, 16):  # a mean over pixels, a sum over labels
        assert HierarchicalMaskLoss()(torch.zeros(2, 3, size, size), torch.ones(2, 1, size, size)).item() == (
            pytest.approx(3 * math.log(2))
        )


@pytest.mark.parametrize(
    ("state", "labels"), [(STROMA, (1, 0, 0)), (EPITHELIUM, (0, 1, 0)), (LUMEN, (0, 1, 1))], ids=["S", "E", "U"]
)
def test_by_hand(state, labels):
    """Logits log 3, log 3, -log 3: sigmoid 3/4, 3/4, 1/4; lumen is a target of the epithelium's channel, too."""
    logits = pixel(math.log(3), math.log(3), -math.log(3))
    expected = -sum(math.log(p if on else 1 - p) for p, on in zip((0.75, 0.75, 0.25), labels))
    assert HierarchicalMaskLoss()(logits, label(state)).item() == pytest.approx(expected)


def test_is_the_plain_sum_over_pixels_and_labels():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 5, generator=generator)
    states = torch.randint(0, 3, (2, 1, 4, 5), generator=generator)
    on = {STROMA: (1, 0, 0), EPITHELIUM: (0, 1, 0), LUMEN: (0, 1, 1)}
    expected = 0.0
    for sample in range(2):
        for row in range(4):
            for column in range(5):
                for channel, target in enumerate(on[states[sample, 0, row, column].item()]):
                    p = 1 / (1 + math.exp(-logits[sample, channel, row, column].item()))
                    expected -= math.log(p) if target else math.log(1 - p)
    assert HierarchicalMaskLoss()(logits, states).item() == pytest.approx(expected / 40, rel=1e-6)


@pytest.mark.parametrize("state", [STROMA, EPITHELIUM, LUMEN])
def test_positive_term_of_eq_6_alone_is_smallest_at_infinity(state):
    """-sum_r S_r log P(S_r): all labels at once cost nothing, whatever the truth, and no logit is ever pushed down."""
    loss = HierarchicalMaskLoss()
    on = loss.states[state]

    def positive_term(logits):
        return -(on * torch.nn.functional.logsigmoid(logits)).sum()

    everything = torch.full((3,), 200.0)
    assert positive_term(everything) == 0
    for scale in (0.1, 1.0, 10.0):
        logits = (scale * torch.randn(3, generator=torch.Generator().manual_seed(0))).requires_grad_()
        positive_term(logits).backward()
        assert (logits.grad <= 0).all()
    # the full cross-entropy charges for the labels that are not there
    assert loss(everything.view(1, 3, 1, 1), label(state)) == 200 * (3 - on.sum())
