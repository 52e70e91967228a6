import itertools

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from shared.losses import ModalityExpertConsistencyLoss, RegionExpertConsistencyLoss, expert_consistency

SPACES = [(6, 5), (3, 4, 5)]
AVAILABLE = torch.tensor(
    [[True] * 4, [True, False, True, True], [False, True, False, True], [False, False, True, False]]
)


def batch(space, seed=0):
    random = torch.Generator().manual_seed(seed)
    experts = 2 * torch.randn(4, 4, 3, *space, generator=random)
    return experts, torch.randn(4, 1, *space, generator=random)


def by_loop(probabilities, available, region):
    """Eqs. 3 and 5 as printed, in double precision: pairs a < b of one sample."""
    total, pairs = 0.0, 0
    for a, b in itertools.combinations(np.flatnonzero(available), 2):
        first, second = ((region * probabilities[m]).astype(np.float64).ravel() for m in (a, b))
        norms = np.sqrt((first**2).sum()) * np.sqrt((second**2).sum())
        total += 1 - (first * second).sum() / (norms + 1e-8)
        pairs += 1
    return total / pairs if pairs else 0.0


@pytest.mark.parametrize("space", SPACES)
def test_are_the_printed_sums(space):
    experts, region = batch(space)
    p, r = experts.softmax(dim=2), region.sigmoid()
    everywhere, inside = expert_consistency(p, AVAILABLE), expert_consistency(p, AVAILABLE, r)
    for sample in range(4):
        of_sample = p[sample].numpy(), AVAILABLE[sample].numpy()
        assert everywhere[sample].item() == pytest.approx(by_loop(*of_sample, 1.0), abs=1e-6)
        assert inside[sample].item() == pytest.approx(by_loop(*of_sample, r[sample].numpy()), abs=1e-6)
    assert everywhere[3] == inside[3] == 0  # one expert has no pair


def test_by_hand():
    """Vectors (1, 0, 1, 0) and (1, 0, 0, 1) have the cosine 1/2; with the second voxel at half weight 1 / 1.25."""
    p = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]]])
    available = torch.ones(1, 2) > 0
    assert expert_consistency(p, available).item() == pytest.approx(0.5)
    assert expert_consistency(p, available, torch.tensor([[[1.0, 0.5]]])).item() == pytest.approx(1 - 1 / 1.25)


@pytest.mark.parametrize("space", SPACES)
def test_a_region_that_is_everywhere_changes_nothing_and_its_scale_neither(space):
    p = batch(space)[0].softmax(dim=2)
    expected = expert_consistency(p, AVAILABLE)
    for value in (1.0, 0.25):
        region = torch.full((4, 1, *space), value)
        torch.testing.assert_close(expert_consistency(p, AVAILABLE, region), expected, rtol=1e-5, atol=1e-6)


def test_background_hides_disagreement_that_a_region_shows():
    """Two experts that disagree on all of an 8^3 lesion in 20^3: 0.025 to 0.075 without, 1 inside the lesion."""
    p = torch.zeros(1, 2, 2, 20, 20, 20)
    p[:, :, 0] = 1
    p[0, 1, :, 6:14, 6:14, 6:14] = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)
    lesion = torch.zeros(1, 1, 20, 20, 20)
    lesion[..., 6:14, 6:14, 6:14] = 1
    available = torch.ones(1, 2) > 0
    assert expert_consistency(p, available).item() == pytest.approx(512 / 8000)
    assert expert_consistency(p, available, lesion).item() == pytest.approx(1)


def test_absent_experts_have_no_influence_and_no_gradient():
    experts, region = batch((3, 4, 5))
    broken = torch.where(AVAILABLE.view(4, 4, 1, 1, 1, 1), experts, float("nan")).requires_grad_()
    losses = [
        lambda logits: ModalityExpertConsistencyLoss()(logits, AVAILABLE),
        lambda logits: RegionExpertConsistencyLoss()(logits, AVAILABLE, region),
    ]
    for loss in losses:
        assert torch.equal(loss(broken), loss(experts))
    p = experts.softmax(dim=2)
    p[~AVAILABLE] = float("nan")
    p.requires_grad_()
    expert_consistency(p, AVAILABLE, region.sigmoid()).sum().backward()
    assert not p.grad[~AVAILABLE].any()
    assert p.grad[AVAILABLE][:-1].any()


def test_gradients_are_those_of_differences():
    experts, region = (value.double() for value in batch((2, 3)))
    p, r = experts.softmax(dim=2).requires_grad_(), region.sigmoid().requires_grad_()
    assert gradcheck(lambda p, r: expert_consistency(p, AVAILABLE, r), (p, r))


def test_mean_is_over_samples_that_have_a_pair():
    experts, region = batch((3, 4, 5))
    values = expert_consistency(experts.softmax(dim=2), AVAILABLE)
    torch.testing.assert_close(ModalityExpertConsistencyLoss()(experts, AVAILABLE), values[:3].mean())
    values = expert_consistency(experts.softmax(dim=2), AVAILABLE, region.sigmoid())
    torch.testing.assert_close(RegionExpertConsistencyLoss()(experts, AVAILABLE, region), values[:3].mean())


def test_a_batch_without_any_pair_has_the_loss_zero():
    experts, region = batch((3, 4, 5))
    experts.requires_grad_()
    loss = ModalityExpertConsistencyLoss()(experts[3:], AVAILABLE[3:])
    loss = loss + RegionExpertConsistencyLoss()(experts[3:], AVAILABLE[3:], region[3:])
    loss.backward()
    assert loss == 0
    assert not experts.grad.any()


def test_background_is_left_out_if_asked_for():
    experts, region = batch((3, 4, 5))
    p = experts.softmax(dim=2)[:, :, 1:]
    values = expert_consistency(p, AVAILABLE)[:3].mean()
    torch.testing.assert_close(ModalityExpertConsistencyLoss(include_background=False)(experts, AVAILABLE), values)
    values = expert_consistency(p, AVAILABLE, region.sigmoid())[:3].mean()
    loss = RegionExpertConsistencyLoss(include_background=False)
    torch.testing.assert_close(loss(experts, AVAILABLE, region), values)


@pytest.mark.parametrize("detach", [True, False])
def test_region_learns_from_it_only_if_asked_for(detach):
    experts, region = batch((3, 4, 5))
    experts.requires_grad_()
    region.requires_grad_()
    RegionExpertConsistencyLoss(detach_region=detach)(experts, AVAILABLE, region).backward()
    assert (region.grad is None) == detach
    assert experts.grad.any()


def test_a_region_that_learns_from_it_looks_away_from_disagreement():
    """The degenerate optimum of the printed form: dark where experts disagree, that is in the lesion."""
    torch.manual_seed(0)
    experts = torch.zeros(1, 3, 2, 8, 8, 8)
    experts[:, :, 0] = 6
    experts[0, 0, :, 2:5, 2:5, 2:5] = torch.tensor([0.0, 6.0]).view(2, 1, 1, 1)
    region = torch.zeros(1, 1, 8, 8, 8, requires_grad=True)
    loss = RegionExpertConsistencyLoss(detach_region=False)
    for _ in range(50):
        (gradient,) = torch.autograd.grad(loss(experts, torch.ones(1, 3) > 0, region), region)
        region = (region - 0.1 * gradient.sign()).detach().requires_grad_()
    lesion = region.detach()[..., 2:5, 2:5, 2:5].sigmoid().mean()
    assert lesion < 0.1
    assert region.detach().sigmoid().mean() > 0.5


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_float32_under_autocast(dtype):
    experts, region = batch((3, 4, 5))
    loss = RegionExpertConsistencyLoss()
    with torch.autocast("cpu", dtype):
        under_autocast = loss(experts, AVAILABLE, region)
    assert torch.equal(under_autocast, loss(experts, AVAILABLE, region))


def test_wrong_shapes_are_named():
    p = torch.rand(2, 3, 4, 5, 5)
    with pytest.raises(ValueError, match=r"available must be boolean \(B, M\) = \(2, 3\), got torch.float32 \(2, 3\)"):
        expert_consistency(p, torch.ones(2, 3))
    with pytest.raises(ValueError, match=r"region must be \(B, 1, \*spatial\).*got \(2, 5, 5\)"):
        expert_consistency(p, torch.ones(2, 3) > 0, torch.rand(2, 5, 5))
