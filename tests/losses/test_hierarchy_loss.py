"""What the three losses on a label hierarchy share; what each of them is stands in its own file."""

import itertools
import math

import pytest
import torch
from monai.data import MetaTensor

from shared.errors import InputError
from shared.losses import (
    GeometryLoss,
    HierarchicalMaskLoss,
    HierarchicalTopologyLoss,
    HierarchyLoss,
    label_states,
    state_log_probabilities,
)

LOSSES = [HierarchicalMaskLoss, HierarchicalTopologyLoss, GeometryLoss]
GLAND_STATES = [(1, 0, 0), (0, 1, 0), (0, 1, 1)]
SHAPES = [(2, 3, 6, 5), (1, 3, 4, 3, 5)]
FOUR_LABELS = {
    "labels": ["stroma", "epithelium", "lumen", "contour"],
    "implies": [["lumen", "epithelium"], ["contour", "epithelium"]],
    "excludes": [["stroma", "epithelium"], ["stroma", "lumen"], ["stroma", "contour"], ["lumen", "contour"]],
}


def random_case(shape, scale=2.0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(0, 3, (shape[0], 1, *shape[2:]), generator=generator)
    return scale * torch.randn(shape, generator=generator, dtype=dtype), label


# states


def test_gland_states_are_stroma_epithelium_and_lumen_inside_epithelium():
    assert label_states().tolist() == [list(state) for state in GLAND_STATES]


def test_nested_tumour_regions():
    """Regions within regions, and background as a label of its own: as many states as labels."""
    states = label_states(
        ["background", "whole", "core", "enhancing"],
        implies=[["enhancing", "core"], ["core", "whole"]],
        excludes=[["whole", "background"]],
    )
    assert states.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 1]]


def valid_vectors_of_four():
    """All 2^4 vectors of stroma, epithelium, lumen, contour, but for those that break a rule."""
    vectors = itertools.product((0, 1), repeat=4)
    return [
        (s, e, u, c) for s, e, u, c in vectors if s + e + u + c and e >= u and e >= c and not (s and e) and u + c < 2
    ]


def test_contour_is_another_state_inside_epithelium():
    states = label_states(**FOUR_LABELS)
    assert states.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 1, 0, 1]]
    assert sorted(map(tuple, states.int().tolist())) == sorted(valid_vectors_of_four())


def test_losses_on_four_labels_agree_with_all_sixteen_vectors():
    """Each loss pixel by pixel and vector by vector, for a hierarchy with contours."""
    generator = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(2, 4, 5, 6, generator=generator, dtype=torch.float64)
    label = torch.randint(0, 4, (2, 1, 5, 6), generator=generator)
    numbered = [(1, 0, 0, 0), (0, 1, 0, 0), (0, 1, 1, 0), (0, 1, 0, 1)]
    mask = topology = geometry = 0.0
    log_p = torch.zeros(2, 5, 6, dtype=torch.float64)
    for b, i, j in itertools.product(range(2), range(5), range(6)):
        f, own = logits[b, :, i, j].tolist(), numbered[label[b, 0, i, j]]
        scores = {v: math.exp(sum(x * y for x, y in zip(f, v, strict=True))) for v in valid_vectors_of_four()}
        log_p[b, i, j] = math.log(scores[own] / sum(scores.values()))
        topology -= log_p[b, i, j].item()
        mask += sum(math.log1p(math.exp(x)) - x * y for x, y in zip(f, own, strict=True))
    for b, i, j, (di, dj) in itertools.product(range(2), range(5), range(6), [(0, 1), (1, 0), (0, -1), (-1, 0)]):
        if 0 <= i + di < 5 and 0 <= j + dj < 6 and label[b, 0, i, j] == label[b, 0, i + di, j + dj]:
            geometry += abs(log_p[b, i, j] - log_p[b, i + di, j + dj]).item()
    for loss, expected in zip(LOSSES, (mask, topology, geometry), strict=True):
        value = loss(label_states(**FOUR_LABELS))(logits, label).item()
        assert value == pytest.approx(expected / 60, rel=1e-9)


def test_without_rules_every_vector_but_zero_is_valid_by_first_label_then_number_of_labels():
    states = label_states(["a", "b", "c"], implies=[], excludes=[])
    assert states.tolist() == [[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1], [0, 1, 0], [0, 1, 1], [0, 0, 1]]


@pytest.mark.parametrize(
    ("labels", "implies", "excludes", "message"),
    [
        (["a", "b"], [["b", "z"]], [], r"\['b', 'z'\] in implies or excludes is no pair of the labels \['a', 'b'\]"),
        (["a", "b"], ["ab"], [], "ab in implies or excludes is no pair"),
        (["a", "b"], [], [["a"]], r"\['a'\] in implies or excludes is no pair"),
        (["a", "b"], [["b", "a"]], [["a", "b"]], "leave no valid state with 'b'"),
        (["a", "a"], [], [], r"must be different names, got \['a', 'a'\]"),
        ([], [], [], "must be different names"),
    ],
)
def test_refuses_rules_that_fit_no_label(labels, implies, excludes, message):
    with pytest.raises(InputError, match=message):
        label_states(labels, implies, excludes)


# probabilities


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


def test_by_hand():
    """f = (log 2, log 3, log 5): weights 2, 3 and 3 x 5."""
    logits = torch.tensor([[2.0, 3.0, 5.0]], dtype=torch.float64).log()
    expected = torch.tensor([[2.0, 3.0, 15.0]], dtype=torch.float64) / 20
    torch.testing.assert_close(state_log_probabilities(logits, label_states()).exp(), expected)


def test_product_of_eq_7_as_printed_is_zero_for_every_valid_state():
    """prod_r exp(f_r) S_r: a factor S_r = 0 takes all with it, and leaves 0 / 0. Hence exp(f_r S_r)."""
    logits = torch.tensor([0.3, -1.2, 2.0])
    as_printed = [(logits.exp() * torch.tensor(state)).prod().item() for state in GLAND_STATES]
    assert as_printed == [0, 0, 0]
    assert sum(as_printed) == 0  # Z


def test_float16_logits_are_taken_to_float32():
    logits = torch.tensor([[90.0, 100.0, 200.0]])
    for states in (label_states(), label_states().long()):
        halved = state_log_probabilities(logits.half(), states)
        assert halved.dtype == torch.float32
        torch.testing.assert_close(halved, state_log_probabilities(logits, label_states()))


def test_probabilities_refuse_other_channels():
    with pytest.raises(ValueError, match=r"logits must be \(B, 3, \*spatial\), got \(1, 2, 4, 4\)"):
        state_log_probabilities(torch.zeros(1, 2, 4, 4), label_states())


# all three losses


@pytest.mark.parametrize("loss", LOSSES)
def test_extreme_logits_give_finite_values_and_gradients(loss):
    corners = torch.tensor(list(itertools.product((-200.0, 0.0, 200.0), repeat=3)))  # (27, 3)
    for shift in range(3):
        logits = corners.T.reshape(1, 3, 3, 9).clone().requires_grad_()
        label = (torch.arange(27).view(1, 1, 3, 9) // 2 + shift) % 3
        value = loss()(logits, label)
        value.backward()
        assert value.isfinite()
        assert logits.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("size", [20.0, 200.0])
def test_perfect_prediction_costs_nothing_and_has_finite_gradients(loss, size):
    _, label = random_case((2, 3, 6, 5))
    logits = (2 * size * label_states()[label[:, 0]].movedim(-1, 1) - size).requires_grad_()
    value = loss()(logits, label)
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-6)
    assert logits.grad.abs().max() < 1e-6


@pytest.mark.parametrize("shape", SHAPES, ids=["2d", "3d"])
@pytest.mark.parametrize("loss", LOSSES)
def test_gradient(loss, shape):
    logits, label = random_case(shape, dtype=torch.float64)
    assert torch.autograd.gradcheck(loss(), (logits.requires_grad_(), label), fast_mode=True)


@pytest.mark.parametrize("loss", LOSSES)
def test_autocast_changes_nothing(loss):
    logits, label = random_case((2, 3, 6, 5))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss()(logits, label), loss()(logits.clone(), label))
        lowered = loss()(logits.bfloat16(), label)
    assert lowered.dtype == torch.float32
    assert torch.equal(lowered, loss()(logits.bfloat16().float(), label))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int32, torch.float32])
def test_takes_labels_of_any_type_and_metadata(loss, dtype):
    logits, label = random_case((2, 3, 6, 5))
    value = loss()(MetaTensor(logits), MetaTensor(label.to(dtype)))
    assert type(value) is torch.Tensor
    assert torch.equal(value, loss()(logits, label))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("wrong", [3, -1, 0.5, float("nan")])
def test_refuses_unknown_values(loss, wrong):
    logits, label = random_case((2, 3, 6, 5))
    label = label.float()
    label[1, 0, 2, 3] = wrong
    with pytest.raises(InputError, match=rf"values {wrong} are no states of the label hierarchy \(0 to 2\)"):
        loss()(logits, label)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("label_shape", [(2, 3, 6, 5), (2, 6, 5), (2, 1, 5, 6), (1, 1, 6, 5)])
def test_refuses_other_shapes(loss, label_shape):
    with pytest.raises(ValueError, match=r"logits must be \(B, 3, \*spatial\) and label \(B, 1, \*spatial\)"):
        loss()(torch.zeros(2, 3, 6, 5), torch.zeros(label_shape))


@pytest.mark.parametrize("states", [[[1, 0], [1, 0]], [[1, 2]], [1, 0]])
def test_refuses_what_is_no_table_of_states(states):
    with pytest.raises(ValueError, match="states must be different rows of 0 and 1"):
        HierarchyLoss(states)


@pytest.mark.parametrize("loss", LOSSES)
def test_other_hierarchies(loss):
    """Four labels, nested: a label map of state 3 has three labels on."""
    states = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 1]]
    logits = torch.tensor([-50.0, 50, 50, 50]).view(1, 4, 1, 1).expand(1, 4, 2, 2)
    right, wrong = torch.full((1, 1, 2, 2), 3), torch.full((1, 1, 2, 2), 2)
    assert loss(states)(logits, right) == pytest.approx(0, abs=1e-6)
    if loss is not GeometryLoss:  # the third label is one too many: 50
        assert loss(states)(logits, wrong) == pytest.approx(50)


def test_states_are_no_part_of_a_checkpoint():
    assert all(loss().state_dict() == {} for loss in LOSSES)
