"""What the three losses on a label hierarchy share; each loss is tested in its own file."""

import itertools
import math

import pytest
import torch
from label_hierarchies import FOUR_LABELS, SHAPES, random_case, valid_vectors_of_four
from monai.data import MetaTensor

from shared.errors import InputError
from shared.losses import GeometryLoss, HierarchicalMaskLoss, HierarchicalTopologyLoss, HierarchyLoss, label_states

LOSSES = [HierarchicalMaskLoss, HierarchicalTopologyLoss, GeometryLoss]


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
    _, label = random_case()
    logits = (2 * size * label_states()[label[:, 0]].movedim(-1, 1) - size).requires_grad_()
    value = loss()(logits, label)
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-6)
    assert logits.grad.abs().max() < 1e-6


@pytest.mark.parametrize("shape", SHAPES, ids=["2d", "3d"])
@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_those_of_finite_differences(loss, shape):
    logits, label = random_case(shape, dtype=torch.float64)
    assert torch.autograd.gradcheck(loss(), (logits.requires_grad_(), label), fast_mode=True)


@pytest.mark.parametrize("loss", LOSSES)
def test_autocast_changes_nothing(loss):
    logits, label = random_case()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss()(logits, label), loss()(logits.clone(), label))
        lowered = loss()(logits.bfloat16(), label)
    assert lowered.dtype == torch.float32
    assert torch.equal(lowered, loss()(logits.bfloat16().float(), label))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int32, torch.float32])
def test_takes_labels_of_any_type_and_metadata(loss, dtype):
    logits, label = random_case()
    value = loss()(MetaTensor(logits), MetaTensor(label.to(dtype)))
    assert type(value) is torch.Tensor
    assert torch.equal(value, loss()(logits, label))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("wrong", [3, -1, 0.5, float("nan")])
def test_refuses_unknown_values(loss, wrong):
    logits, label = random_case()
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
def test_four_nested_labels_cost_nothing_if_right_and_the_logit_of_a_label_too_many_if_wrong(loss):
    """Four labels, nested: a label map of state 3 has three labels on."""
    states = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 1]]
    logits = torch.tensor([-50.0, 50, 50, 50]).view(1, 4, 1, 1).expand(1, 4, 2, 2)
    right, wrong = torch.full((1, 1, 2, 2), 3), torch.full((1, 1, 2, 2), 2)
    assert loss(states)(logits, right) == pytest.approx(0, abs=1e-6)
    if loss is not GeometryLoss:  # the third label is one too many: 50
        assert loss(states)(logits, wrong) == pytest.approx(50)


def test_states_are_no_part_of_a_checkpoint():
    assert all(loss().state_dict() == {} for loss in LOSSES)
