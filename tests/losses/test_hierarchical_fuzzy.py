import io
import math

import pytest
import torch
from fuzzy_cases import fixed

from shared.errors import InputError
from shared.losses import FuzzyAuxiliaryLoss, HierarchicalFuzzyLoss
from shared.transforms import fuzzy_membership, label_states, state_log_probabilities

MASK = [[0], [1]]


def test_one_mask_by_hand():
    """Two pixels, lesion and background, logit log 3: each is all that the other one's neighbourhood holds.

    The left pixel's memberships are (1, 0) of background and lesion: -log 1/4 - log(1 - 3/4) = 2 log 4, the right
    one's (0, 1): -log 3/4 - log(1 - 1/4) = 2 log 4/3.
    """
    logits, mask = torch.full((1, 1, 1, 2), math.log(3)), torch.tensor([[[[1.0, 0.0]]]])
    value = HierarchicalFuzzyLoss(fixed(), MASK)(logits, mask)
    assert value.item() == pytest.approx(math.log(4) + math.log(4 / 3), rel=1e-6)


def test_one_mask_is_the_fuzzy_loss_on_two_classes():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 1, 6, 7, generator=generator)
    mask = torch.randint(0, 2, (2, 1, 6, 7), generator=generator)
    memberships = fuzzy_membership(torch.cat([mask == 0, mask == 1], dim=1), 2)
    expected = FuzzyAuxiliaryLoss()(torch.cat([torch.zeros_like(logits), logits], dim=1), memberships)
    torch.testing.assert_close(HierarchicalFuzzyLoss(FuzzyAuxiliaryLoss(), MASK, radius=2)(logits, mask), expected)


def test_gland_states_share_their_labels():
    """The probability of lumen is that of the state of epithelium and lumen."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 3, 5, 5, generator=generator)
    states = torch.randint(0, 3, (1, 1, 5, 5), generator=generator)
    memberships = fuzzy_membership(torch.nn.functional.one_hot(states[:, 0], 3).movedim(-1, 1))
    log_p = state_log_probabilities(logits, label_states())
    expected = -(memberships * log_p + (1 - memberships) * torch.log1p(-log_p.exp())).sum(dim=1).mean()
    torch.testing.assert_close(HierarchicalFuzzyLoss(fixed())(logits, states), expected)


def test_the_weight_is_set_from_outside_and_kept_with_rho():
    loss, logits, mask = (
        HierarchicalFuzzyLoss(FuzzyAuxiliaryLoss(), MASK),
        torch.ones(1, 1, 4, 4),
        torch.eye(4)[None, None],
    )
    whole = loss(logits, mask)
    loss.set_fuzzy_weight(0.25)
    torch.testing.assert_close(loss(logits, mask), whole / 4)
    assert loss.scalars()["fuzzy_weight"] == 0.25
    assert loss.scalars()["rho_1"] == 0.5
    stored = io.BytesIO()
    torch.save(loss.state_dict(), stored)
    stored.seek(0)
    again = HierarchicalFuzzyLoss(FuzzyAuxiliaryLoss(0.1, 0.1), MASK)
    again.load_state_dict(torch.load(stored, weights_only=True))
    torch.testing.assert_close(again(logits, mask), whole / 4)


@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_a_weight_without_meaning_is_refused(value):
    with pytest.raises(ValueError, match="fuzzy_weight must be finite and at least 0"):
        HierarchicalFuzzyLoss(fixed(), MASK, fuzzy_weight=value)


def test_gradients_are_finite_for_sure_logits():
    logits = torch.tensor([[[[300.0, -300.0], [300.0, -300.0]]]], requires_grad=True)
    HierarchicalFuzzyLoss(FuzzyAuxiliaryLoss(), MASK)(logits, torch.tensor([[[[0, 1], [1, 0]]]])).backward()
    assert logits.grad.isfinite().all()


def test_an_unknown_value_of_the_mask_is_named():
    with pytest.raises(InputError, match=r"values 255 are no states"):
        HierarchicalFuzzyLoss(fixed(), MASK)(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 255))
