import copy
import io
import math

import pytest
import torch
import torch.distributed as dist
from monai.data import MetaTensor
from torch import nn

from shared.errors import InputError
from shared.losses import GeometryLoss, HierarchicalMaskLoss, HierarchicalTopologyLoss, UncertaintyWeightedLoss
from shared.networks import GlandUNet

INPUTS = {
    "class": ("class_logits", "grade"),
    "mask": ("pred", "label"),
    "topology": ("pred", "label"),
    "geometry": ("pred", "label"),
}


def gland_losses():
    return {
        "class": nn.CrossEntropyLoss(),
        "mask": HierarchicalMaskLoss(),
        "topology": HierarchicalTopologyLoss(),
        "geometry": GeometryLoss(),
    }


def make(**options):
    return UncertaintyWeightedLoss(gland_losses(), INPUTS, **options)


def gland_case(size=8):
    generator = torch.Generator().manual_seed(0)
    prediction = {
        "pred": torch.randn(2, 3, size, size, generator=generator),
        "class_logits": torch.randn(2, 2, generator=generator),
    }
    label = torch.randint(0, 3, (2, 1, size, size), generator=generator)
    return prediction, {"label": label, "grade": torch.tensor([0, 1])}


class Given(nn.Module):
    """A loss whose value is its prediction."""

    def forward(self, prediction, target):
        return prediction


def given(*values, **options):
    """The weighted sum of losses a, b, ... with these values, and a function that computes it."""
    names = "abcdef"[: len(values)]
    weighted = UncertaintyWeightedLoss(
        dict.fromkeys(names, Given()), {name: (name, "none") for name in names}, **options
    )
    prediction = {name: torch.as_tensor(value) for name, value in zip(names, values)}
    return weighted, lambda: weighted(prediction, {"none": None})


def set_log_variances(weighted, *values):
    with torch.no_grad():
        for parameter, value in zip(weighted.log_variances.values(), values):
            parameter.fill_(value)


# the sum


def test_by_hand():
    """sigma^2 = 2 and 1/4: 3 / 2 + log 2, and 5 x 4 - log 4."""
    weighted, total = given(3.0, 5.0)
    set_log_variances(weighted, math.log(2), -math.log(4))
    assert total().item() == pytest.approx(1.5 + math.log(2) + 20 - math.log(4))


def test_starts_as_the_plain_sum():
    prediction, target = gland_case()
    expected = sum(loss(prediction[INPUTS[name][0]], target[INPUTS[name][1]]) for name, loss in gland_losses().items())
    torch.testing.assert_close(make()(prediction, target), expected)
    assert all(scalar.item() == 0 for scalar in make().log_variances.values())


def test_gradients():
    """Eq. 5: exp(-s) times the loss's own gradient for the network, 1 - exp(-s) L for the scalar."""
    value = torch.tensor(0.7, requires_grad=True)
    weighted, total = given(value)
    set_log_variances(weighted, 0.4)
    total().backward()
    assert value.grad.item() == pytest.approx(math.exp(-0.4))
    assert weighted.log_variances["a"].grad.item() == pytest.approx(1 - math.exp(-0.4) * 0.7)


def test_learned_variance_becomes_the_loss_and_the_sum_negative():
    """sigma^2 = L, sum = 1 + log L, below zero for L < 1 / e: a negative total is no error."""
    weighted, total = given(0.1, 2.0)
    optimizer = torch.optim.SGD(weighted.parameters(), lr=0.5)
    for _ in range(40):
        optimizer.zero_grad()
        total().backward()
        optimizer.step()
    assert weighted.log_variances["a"].item() == pytest.approx(math.log(0.1), abs=1e-3)
    assert weighted.log_variances["b"].item() == pytest.approx(math.log(2), abs=1e-3)
    assert total().item() == pytest.approx(2 + math.log(0.1) + math.log(2), abs=1e-4)


def steps_of_sgd(pixels, steps):
    """Log variances after each step at the paper's rate, for a topology loss times `pixels`, from zero logits."""
    loss = pixels * HierarchicalTopologyLoss()(torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4))
    weighted, total = given(loss, max_log_variance=None)
    optimizer = torch.optim.SGD(weighted.parameters(), lr=0.01)
    log_variances = []
    for _ in range(steps):
        optimizer.zero_grad()
        total().backward()
        optimizer.step()
        log_variances.append(weighted.log_variances["a"].item())
    return log_variances


def test_sums_over_pixels_switch_the_losses_off():
    """Eqs. 6, 8, 9 sum over the 250 x 250 pixels of a patch, but add log sigma^2 once.

    One step of SGD puts s at 687, exp(-s) is 0 from then on, and the way back is 0.01 per step: 67,000 steps without
    this loss. So losses have to be means: the same first step is 0.001.
    """
    first, second, third = steps_of_sgd(pixels=62500, steps=3)
    assert first == pytest.approx(687, abs=1)
    assert torch.tensor(-first).exp() == 0
    assert first - second == pytest.approx(0.01, abs=1e-3)
    assert first - third == pytest.approx(0.02, abs=1e-3)
    assert steps_of_sgd(pixels=1, steps=1) == [pytest.approx(0.01 * (math.log(3) - 1))]


# the bound


def test_weight_stays_within_the_bound():
    """A loss that goes to zero, and one that explodes."""
    weighted, total = given(1e-9, 1e9)
    optimizer = torch.optim.Adam(weighted.parameters(), lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        total().backward()
        optimizer.step()
    terms = weighted.terms({"a": torch.tensor(1e-9), "b": torch.tensor(1e9)}, {"none": None})
    assert terms["weight_a"].item() == pytest.approx(math.exp(3))
    assert terms["weight_b"].item() == pytest.approx(math.exp(-3))
    assert terms["log_variance_a"] == -3
    assert weighted.log_variances["a"] > -6  # it does not run away behind the bound


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize(("start", "loss"), [(-2.9, 1e-6), (2.9, 100.0)], ids=["lower", "upper"])
def test_scalar_beyond_the_bound_comes_back(start, loss, momentum):
    """A hard clamp, whose gradient is zero outside, would hold it for ever."""
    value = torch.tensor(loss)
    weighted, total = given(value)
    set_log_variances(weighted, start)
    optimizer = torch.optim.SGD(weighted.parameters(), lr=0.05, momentum=momentum)
    reached = []
    for step in range(250):
        if step == 20:
            value.fill_(1.0)
        optimizer.zero_grad()
        total().backward()
        optimizer.step()
        reached.append(weighted.log_variances["a"].item())
    assert 3 < abs(reached[19]) < 6
    assert reached[-1] == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize(
    ("log_variance", "loss", "gradient"),
    [
        (-4.0, 10.0, 1 - math.exp(3) * 10),  # descent leads up, back inside
        (-4.0, 0.01, 0.0),  # it would lead further down
        (4.0, 1.0, 1 - math.exp(-3)),
        (4.0, 1000.0, 0.0),
        (3.0, 1000.0, 1 - math.exp(-3) * 1000),  # at the bound
        (-3.0, 0.01, 1 - math.exp(3) * 0.01),
    ],
)
def test_gradient_beyond_the_bound_only_leads_back(log_variance, loss, gradient):
    weighted, total = given(loss)
    set_log_variances(weighted, log_variance)
    total().backward()
    assert weighted.log_variances["a"].grad.item() == pytest.approx(gradient, rel=1e-5)


def test_without_bound_nothing_stops_the_weight():
    weighted, total = given(1e-9, max_log_variance=None)
    set_log_variances(weighted, -10.0)
    total().backward()
    assert weighted.log_variances["a"].grad.item() == pytest.approx(1, abs=1e-3)
    assert weighted.terms({"a": torch.tensor(1.0)}, {"none": None})["weight_a"].item() == pytest.approx(math.exp(10))


# fixed weights, subsets


def test_fixed_weights_are_eq_1_without_parameters():
    weighted, total = given(3.0, 5.0, weights={"a": 0.1, "b": 0.6})
    assert total().item() == pytest.approx(0.3 + 3.0)
    assert list(weighted.parameters()) == []
    assert "log_variance_a" not in weighted.terms({"a": torch.tensor(1.0), "b": torch.tensor(1.0)}, {"none": None})


def test_weights_leave_losses_out_by_not_naming_them():
    prediction, target = gland_case()
    del prediction["class_logits"], target["grade"]  # nobody asks for them
    mask = HierarchicalMaskLoss()(prediction["pred"], target["label"])
    torch.testing.assert_close(make(weights={"mask": 0.5})(prediction, target), 0.5 * mask)


def test_terms_leave_learned_losses_out():
    weighted = make(terms=["mask", "class"])
    assert list(weighted.log_variances) == list(weighted.losses) == ["class", "mask"]
    prediction, target = gland_case()
    chosen = (name for name in weighted.terms(prediction, target) if name in INPUTS)
    assert list(chosen) == ["class", "mask"]


def test_terms_choose_among_weights():
    assert make(weights=dict.fromkeys(INPUTS, 0.25), terms=["mask"]).fixed_weights == {"mask": 0.25}


def test_weight_zero_is_computed_and_has_no_influence():
    prediction, target = gland_case()
    prediction = {name: part.requires_grad_() for name, part in prediction.items()}
    weighted = make(weights={"class": 0.0, "mask": 1.0})
    weighted(prediction, target).backward()
    assert prediction["class_logits"].grad.abs().max() == 0  # zeros, not nothing
    assert weighted.terms(prediction, target)["class"] > 0


# logging, checkpoints, precision


def test_terms_say_what_the_sum_is_made_of():
    prediction, target = gland_case()
    weighted = make()
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


def test_none_stands_for_a_whole_tensor():
    weighted = UncertaintyWeightedLoss({"mask": HierarchicalMaskLoss()}, {"mask": (None, None)})
    prediction, target = gland_case()
    expected = HierarchicalMaskLoss()(prediction["pred"], target["label"])
    assert weighted(prediction["pred"], target["label"]) == expected


def test_losses_are_computed_in_float32_under_autocast():
    prediction, target = gland_case()
    lowered = {name: part.bfloat16() for name, part in prediction.items()}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = make()(lowered, target)
    assert value.dtype == torch.float32
    assert torch.equal(value, make()({name: part.float() for name, part in lowered.items()}, target))


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


def test_takes_metadata():
    prediction, target = gland_case()
    value = make()({name: MetaTensor(part) for name, part in prediction.items()}, target)
    assert type(value) is torch.Tensor


# together with the network, and on several processes


@pytest.fixture
def process_group():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def gland_training():
    torch.manual_seed(0)
    network = GlandUNet(features=(4, 6, 8))
    _, target = gland_case(size=16)
    return network, make(), torch.rand(2, 3, 16, 16), target


def train(network, weighted, image, target, steps=3):
    optimizer = torch.optim.SGD([*network.parameters(), *weighted.parameters()], lr=0.01, momentum=0.9)
    values = []
    for _ in range(steps):
        optimizer.zero_grad()
        value = weighted(network(image), target)
        value.backward()
        optimizer.step()
        values.append(value.item())
    return values


def test_four_losses_train_the_whole_network_and_the_scalars():
    network, weighted, image, target = gland_training()
    before = copy.deepcopy(weighted.state_dict())
    values = train(network, weighted, image, target)
    assert values[-1] < values[0]
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert all(weighted.state_dict()[name] != value for name, value in before.items())


def test_trains_the_same_in_distributed_data_parallel(process_group):
    """It would refuse the second step if a parameter had no part in the first."""
    expected = train(*gland_training())
    network, weighted, image, target = gland_training()
    wrapped = [nn.parallel.DistributedDataParallel(module) for module in (network, weighted)]
    assert train(*wrapped, image, target) == expected


def test_weight_zero_keeps_a_head_in_distributed_data_parallel(process_group):
    network, _, image, target = gland_training()
    only_class = make(weights={"class": 1.0, "mask": 0.0})
    train(nn.parallel.DistributedDataParallel(network), only_class, image, target)


# some learned, some fixed


def test_a_weight_that_is_not_given_is_learned_beside_fixed_ones():
    """sigma^2 = 2 for the first loss, 0.5 for the second: 3 / 2 + log 2 + 0.5 x 5."""
    weighted, total = given(3.0, 5.0, weights={"a": None, "b": 0.5})
    assert [name for name, _ in weighted.named_parameters()] == ["log_variances.a"]
    set_log_variances(weighted, math.log(2))
    assert total().item() == pytest.approx(1.5 + math.log(2) + 2.5)


def steps_of_learned_geometry(weights):
    """Sixty steps of SGD on the weights alone, for a network that says the same everywhere."""
    weighted = make(weights=weights)
    optimizer = torch.optim.SGD(weighted.parameters(), lr=0.1)
    constant = {"pred": torch.zeros(1, 3, 8, 8), "class_logits": torch.zeros(1, 2)}
    target = {"label": torch.ones(1, 1, 8, 8, dtype=torch.long), "grade": torch.tensor([0])}
    for _ in range(60):
        optimizer.zero_grad()
        weighted(constant, target).backward()
        optimizer.step()
    return weighted.terms(constant, target)


def test_a_constant_prediction_drives_the_learned_weight_of_the_geometry_loss_to_its_bound():
    """The paper's claim that Eq. 5 holds for L_g as well: a constant prediction has L_g = 0, so 1 + log L_g has no
    minimum, and the weight of the one loss that rewards saying nothing grows twenty-fold. A fixed one stays."""
    terms = steps_of_learned_geometry(None)
    assert terms["geometry"] == 0
    assert terms["weight_geometry"].item() == pytest.approx(math.exp(3))
    assert max(terms[f"weight_{name}"].item() for name in ("class", "mask", "topology")) < 2
    assert steps_of_learned_geometry({**dict.fromkeys(INPUTS), "geometry": 0.25})["weight_geometry"] == 0.25


# what is refused


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
        make(**options)


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
        make()(prediction, {"label": target["label"]})
    with pytest.raises(ValueError, match="the loss 'class' reads 'class_logits', which is missing: a tensor"):
        make()(prediction["pred"], target)


def test_refuses_a_loss_that_is_no_scalar():
    _, total = given(torch.ones(2))
    with pytest.raises(ValueError, match=r"the loss 'a' must be a scalar, got shape \(2,\)"):
        total()
