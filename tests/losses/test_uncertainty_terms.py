"""What every loss is given, and what of it is logged and saved."""

import io

import pytest
import torch
from given_losses import Given, given, set_log_variances
from gland_losses import INPUTS, gland_case, weighted_gland_losses
from monai.data import MetaTensor
from torch import nn

from shared.errors import InputError
from shared.losses import HierarchicalMaskLoss, UncertaintyWeightedLoss


def test_terms_say_what_the_sum_is_made_of():
    prediction, target = gland_case()
    weighted = weighted_gland_losses()
    set_log_variances(weighted, 0.5, -0.5, 5.0, 0.0)
    terms = weighted.terms(prediction, target)
    parts = {name: (name, f"weight_{name}", f"log_variance_{name}") for name in INPUTS}
    assert set(terms) == {"total"}.union(*parts.values())
    assert all(term.shape == () for term in terms.values())
    assert terms["log_variance_topology"] == 3  # what counts, not what lies behind the bound
    total = sum(terms[name] * terms[weight] + terms[variance] for name, weight, variance in parts.values())
    torch.testing.assert_close(terms["total"], total)
    assert torch.equal(terms["total"], weighted(prediction, target))


def test_learned_scalars_are_in_the_state_dict():
    weighted, _ = given(3.0, 5.0)
    set_log_variances(weighted, 0.25, -4.0)
    file = io.BytesIO()
    torch.save(weighted.state_dict(), file)
    file.seek(0)
    restored, _ = given(3.0, 5.0)
    restored.load_state_dict(torch.load(file, weights_only=True))
    assert {name: scalar.item() for name, scalar in restored.log_variances.items()} == {"a": 0.25, "b": -4.0}
    assert list(weighted.state_dict()) == ["log_variances.a", "log_variances.b"]


def test_losses_with_own_parameters_are_trained():
    inner, _ = given(1.0)
    weighted = UncertaintyWeightedLoss({"inner": inner}, {"inner": (None, None)})
    weighted({"a": torch.tensor(2.0)}, {"none": None}).backward()
    names = {name for name, parameter in weighted.named_parameters() if parameter.grad is not None}
    assert names == {"losses.inner.log_variances.a", "log_variances.inner"}


def test_an_input_that_is_none_is_the_whole_tensor():
    weighted = UncertaintyWeightedLoss({"mask": HierarchicalMaskLoss()}, {"mask": (None, None)})
    prediction, target = gland_case()
    expected = HierarchicalMaskLoss()(prediction["pred"], target["label"])
    assert weighted(prediction["pred"], target["label"]) == expected


def test_losses_are_computed_in_float32_under_autocast():
    prediction, target = gland_case()
    lowered = {name: part.bfloat16() for name, part in prediction.items()}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = weighted_gland_losses()(lowered, target)
    assert value.dtype == torch.float32
    assert torch.equal(value, weighted_gland_losses()({name: part.float() for name, part in lowered.items()}, target))


class Sum(nn.Module):
    """A loss on a list of predictions."""

    def forward(self, predictions, target):
        assert {type(prediction) for prediction in predictions} == {torch.Tensor}
        return sum(prediction.square().mean() for prediction in predictions)


def test_a_loss_may_read_a_list_which_is_in_float32_without_metadata():
    weighted = UncertaintyWeightedLoss({"side": Sum()}, {"side": ("side_outputs", None)})
    parts = [torch.full((2, 2), 1.1).bfloat16(), MetaTensor(torch.ones(2))]
    value = weighted({"pred": torch.zeros(1), "side_outputs": parts}, torch.zeros(1))
    assert value.dtype == torch.float32
    assert value.item() == parts[0][0, 0].item() ** 2 + 1


class Gram(nn.Module):
    """A loss with a matrix product, which autocast would lower."""

    def forward(self, prediction, target):
        return (prediction @ prediction.mT).square().mean()


def test_autocast_does_not_reach_into_a_loss():
    weighted = UncertaintyWeightedLoss({"gram": Gram()}, {"gram": (None, None)})
    prediction = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    expected = Gram()(prediction, None)  # s is 0
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(weighted(prediction, None), expected)


def test_metadata_of_the_prediction_does_not_reach_the_sum():
    prediction, target = gland_case()
    value = weighted_gland_losses()({name: MetaTensor(part) for name, part in prediction.items()}, target)
    assert type(value) is torch.Tensor


@pytest.mark.parametrize("inputs", [{}, {"mask": "pred"}, {"mask": ("pred",)}, {"mask": None}])
def test_refuses_a_loss_without_inputs(inputs):
    with pytest.raises(InputError, match=r"give \(prediction key, target key\) for the loss 'mask'"):
        UncertaintyWeightedLoss({"mask": HierarchicalMaskLoss()}, inputs)


def test_refuses_a_loss_by_the_name_of_the_sum():
    with pytest.raises(InputError, match="'total' is the name of the weighted sum"):
        UncertaintyWeightedLoss({"total": Given()}, {"total": (None, None)})


def test_says_which_part_is_missing():
    prediction, target = gland_case()
    with pytest.raises(ValueError, match="the loss 'class' reads 'grade', which is missing: label; correct"):
        weighted_gland_losses()(prediction, {"label": target["label"]})
    with pytest.raises(ValueError, match="the loss 'class' reads 'class_logits', which is missing: a tensor"):
        weighted_gland_losses()(prediction["pred"], target)


def test_refuses_a_loss_that_is_no_scalar():
    _, total = given(torch.ones(2))
    with pytest.raises(ValueError, match=r"the loss 'a' must be a scalar, got shape \(2,\)"):
        total()
