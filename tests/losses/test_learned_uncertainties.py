import math

import pytest
import torch

from shared.errors import InputError
from shared.losses import LearnedUncertainties, UncertaintyWeightedLoss

TERMS = {"fused": torch.tensor(2.0), "experts": torch.tensor(5.0)}


def with_s(**values):
    learned = LearnedUncertainties(list(values))
    for name, value in values.items():
        torch.nn.init.constant_(learned.log_variances[name], value)
    return learned


def test_by_hand():
    """s = log 2: 7 + 3 ((1/2 - 1) 2 + log 2), the other term as it is."""
    total, logged = with_s(fused=math.log(2))(torch.tensor(7.0), TERMS, {"fused": 3.0, "experts": 1.0})
    torch.testing.assert_close(total, torch.tensor(4.0 + 3 * math.log(2)))
    assert logged["learned_weight_fused"].item() == pytest.approx(0.5)
    assert logged["log_variance_fused"].item() == pytest.approx(math.log(2))


def test_starts_at_the_sum_under_fixed_weights():
    total, _ = LearnedUncertainties(["fused", "experts"])(torch.tensor(7.0), TERMS, {"fused": 1.0, "experts": 1.0})
    assert total == 7


def test_is_the_uncertainty_weighted_loss_where_all_weights_are_1():
    class Given(torch.nn.Module):
        def forward(self, value, target):
            return value

    expected = UncertaintyWeightedLoss({name: Given() for name in TERMS}, {name: (name, None) for name in TERMS})
    learned = with_s(fused=0.3, experts=-0.7)
    for name, parameter in learned.log_variances.items():
        torch.nn.init.constant_(expected.log_variances[name], parameter.item())
    total, _ = learned(torch.tensor(7.0), TERMS, {"fused": 1.0, "experts": 1.0})
    torch.testing.assert_close(total, expected(TERMS, {}))


def test_a_term_of_weight_0_learns_nothing():
    """Else its s would fall to the bound in a warm-up, and the term would come in 20-fold."""
    learned = LearnedUncertainties(["fused", "experts"])
    learned(torch.tensor(5.0), TERMS, {"fused": torch.zeros(()), "experts": 1.0})[0].backward()
    assert learned.log_variances["fused"].grad == 0
    assert learned.log_variances["experts"].grad == 1 - 5


def test_beyond_the_bound_only_gradients_that_lead_back_count():
    learned = with_s(fused=-3.5)
    total, logged = learned(torch.tensor(2.0), {"fused": torch.tensor(2.0)}, {"fused": 1.0})
    total.backward()
    assert logged["log_variance_fused"] == -3
    assert learned.log_variances["fused"].grad.item() == pytest.approx(1 - 2 * math.exp(3), rel=1e-5)
    learned = with_s(fused=3.5)
    learned(torch.tensor(9.0), {"fused": torch.tensor(99.0)}, {"fused": 1.0})[0].backward()
    assert learned.log_variances["fused"].grad == 0


@pytest.mark.parametrize("names", [[], "fused", ["fused", "fused"]])
def test_names_without_meaning_are_refused(names):
    with pytest.raises(InputError, match="give a list, every one once"):
        LearnedUncertainties(names)


def test_a_term_that_is_not_computed_is_named():
    with pytest.raises(InputError, match="no term 'region' with these settings, only fused, experts"):
        LearnedUncertainties(["region"])(torch.tensor(7.0), TERMS, {"fused": 1.0, "experts": 1.0, "region": 0.0})
