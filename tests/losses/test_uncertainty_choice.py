"""Which losses take part, and which weights are fixed instead of learned."""

import math

import pytest
import torch
from given_losses import given, set_log_variances
from gland_losses import INPUTS, gland_case, weighted_gland_losses

from shared.errors import InputError
from shared.losses import HierarchicalMaskLoss


def test_fixed_weights_are_eq_1_without_parameters():
    weighted, total = given(3.0, 5.0, weights={"a": 0.1, "b": 0.6})
    assert total().item() == pytest.approx(0.3 + 3.0)
    assert list(weighted.parameters()) == []
    assert "log_variance_a" not in weighted.terms({"a": torch.tensor(1.0), "b": torch.tensor(1.0)}, {"none": None})


def test_a_weight_that_is_not_given_is_learned_beside_fixed_ones():
    """sigma^2 = 2 for the first loss, 0.5 for the second: 3 / 2 + log 2 + 0.5 x 5."""
    weighted, total = given(3.0, 5.0, weights={"a": None, "b": 0.5})
    assert [name for name, _ in weighted.named_parameters()] == ["log_variances.a"]
    set_log_variances(weighted, math.log(2))
    assert total().item() == pytest.approx(1.5 + math.log(2) + 2.5)


def test_weights_leave_losses_out_by_not_naming_them():
    prediction, target = gland_case()
    del prediction["class_logits"], target["grade"]  # nobody asks for them
    mask = HierarchicalMaskLoss()(prediction["pred"], target["label"])
    torch.testing.assert_close(weighted_gland_losses(weights={"mask": 0.5})(prediction, target), 0.5 * mask)


def test_terms_leave_learned_losses_out():
    weighted = weighted_gland_losses(terms=["mask", "class"])
    assert list(weighted.log_variances) == list(weighted.losses) == ["class", "mask"]
    prediction, target = gland_case()
    chosen = (name for name in weighted.terms(prediction, target) if name in INPUTS)
    assert list(chosen) == ["class", "mask"]


def test_terms_choose_among_weights():
    assert weighted_gland_losses(weights=dict.fromkeys(INPUTS, 0.25), terms=["mask"]).fixed_weights == {"mask": 0.25}


def test_weight_zero_is_computed_and_has_no_influence():
    prediction, target = gland_case()
    prediction = {name: part.requires_grad_() for name, part in prediction.items()}
    weighted = weighted_gland_losses(weights={"class": 0.0, "mask": 1.0})
    weighted(prediction, target).backward()
    assert prediction["class_logits"].grad.abs().max() == 0  # zeros, not nothing
    assert weighted.terms(prediction, target)["class"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"weights": {"mask": 1, "shape": 1}},
            "weights: .*'shape'.* names unknown losses; choose from class",
        ),
        ({"terms": ["masks"]}, r"terms: \['masks'\] names unknown losses; choose from class, mask"),
        ({"terms": "mask"}, "terms: mask names unknown losses"),
        ({"terms": []}, "no loss is chosen; name one or more of class, mask, topology, geometry"),
        ({"weights": {}}, "no loss is chosen"),
        ({"weights": {"mask": -1}}, r"the loss 'mask' needs a finite weight of at least 0 \(None: learned\), got -1"),
        (
            {"weights": {"mask": math.nan}},
            r"the loss 'mask' needs a finite weight of at least 0 \(None: learned\), got nan",
        ),
        (
            {"weights": {"mask": 1}, "terms": ["class"]},
            r"the loss 'class' needs a finite weight of at least 0 \(None: learned\), got nan",
        ),
        ({"max_log_variance": 0}, "max_log_variance must be positive, or None for no bound, got 0"),
        ({"max_log_variance": -3.0}, "max_log_variance must be positive"),
    ],
)
def test_refuses_settings_that_fit_no_loss(options, message):
    with pytest.raises(InputError, match=message):
        weighted_gland_losses(**options)
