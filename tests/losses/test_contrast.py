import math
import warnings

import pytest
import torch
from torch.autograd import gradcheck
from torch.nn import functional

from shared.errors import InputError
from shared.losses import ContentContrastLoss, StyleContrastLoss, pairwise_contrast, pairwise_structural_similarity

TAU = 1 / 0.07


def softplus(x):
    return math.log1p(math.exp(x))


def test_two_items_by_hand():
    """Two pairs that are not on the diagonal, of similarity 0.3: alike log(1 + e^(-0.3 / 0.07)), unlike the inverse."""
    similarities = torch.tensor([[1.0, 0.3], [0.3, 1.0]])
    alike = torch.tensor([[True, True], [True, True]])
    assert pairwise_contrast(similarities, alike).item() == pytest.approx(softplus(-0.3 * TAU), rel=1e-5)
    unlike = torch.eye(2) > 0
    assert pairwise_contrast(similarities, unlike).item() == pytest.approx(softplus(0.3 * TAU), rel=1e-5)
    assert pairwise_contrast(similarities, unlike, temperature=2.0).item() == pytest.approx(softplus(0.6), rel=1e-5)


def test_pull_on_alike_items_ends_at_a_similarity_of_about_one_half():
    """The slopes -tau sigmoid(-tau s): -7.1 at 0, -0.19 at 0.3, -0.003 at 0.6."""
    for similarity, slope in ((0.0, -7.14), (0.3, -0.194), (0.6, -0.00271)):
        similarities = torch.full((2, 2), similarity, requires_grad=True)
        pairwise_contrast(similarities, torch.ones(2, 2) > 0).backward()
        assert similarities.grad.sum().item() == pytest.approx(slope, rel=0.01)
        assert not similarities.grad.diagonal().any()


def test_gradients_are_those_of_differences():
    similarities = torch.rand(3, 3, dtype=torch.float64, requires_grad=True)
    alike = torch.tensor([[True, False, True], [False, True, False], [True, False, True]])
    assert gradcheck(lambda s: pairwise_contrast(s, alike, 2.0), similarities)


def test_one_item_has_no_pair():
    assert pairwise_contrast(torch.ones(1, 1), torch.ones(1, 1) > 0) == 0


def batch(space=(6, 7, 8)):
    random = torch.Generator().manual_seed(0)
    present = torch.tensor([[True, True, True], [True, False, True]])
    return torch.randn(2, 3, 4, *space, generator=random), torch.randn(2, 3, 5, generator=random), present


def by_loop(similarity, items, alike):
    values = [
        softplus((-1 if alike(a, b) else 1) * TAU * similarity(items[a], items[b]).item())
        for a in items
        for b in items
        if a != b
    ]
    return sum(values) / len(values)


@pytest.mark.parametrize("space", [(7, 8), (6, 7, 8)])
@pytest.mark.parametrize("similarity", ["ssim", "cosine"])
def test_contents_of_one_subject_are_alike(similarity, space):
    content, _, present = batch(space)
    items = {(s, m): content[s, m] for s, m in present.nonzero().tolist()}
    of_all = torch.stack(list(items.values()))
    value_range = of_all.max() - of_all.min()

    def ssim(a, b):
        return pairwise_structural_similarity(torch.stack([a, b]), data_range=value_range)[0, 1]

    def cosine(a, b):
        return functional.cosine_similarity(a.flatten(1).mean(1), b.flatten(1).mean(1), dim=0)

    expected = by_loop(ssim if similarity == "ssim" else cosine, items, lambda a, b: a[0] == b[0])
    loss = ContentContrastLoss(similarity)(content, present)
    assert loss.item() == pytest.approx(expected, rel=1e-4)


def test_styles_of_one_modality_are_alike():
    _, style, present = batch()
    items = {(s, m): style[s, m] for s, m in present.nonzero().tolist()}
    expected = by_loop(lambda a, b: functional.cosine_similarity(a, b, dim=0), items, lambda a, b: a[1] == b[1])
    assert StyleContrastLoss()(style, present).item() == pytest.approx(expected, rel=1e-4)


def test_absent_modalities_have_no_influence_and_no_gradient():
    content, style, present = batch()
    for loss, values in ((ContentContrastLoss(), content), (StyleContrastLoss(), style)):
        broken = values.clone()
        broken[~present] = float("nan")
        broken.requires_grad_()
        result = loss(broken, present)
        assert torch.equal(result, loss(values, present))
        result.backward()
        assert not broken.grad[~present].any()
        assert broken.grad[present].flatten(1).any(1).all()


def test_a_small_last_batch_is_no_reason_to_warn():
    content, _, present = batch()
    loss = ContentContrastLoss()
    with warnings.catch_warnings(action="error"):
        loss(content, present)
        loss(content[:1], present[:1])


def test_a_batch_of_one_subject_is_warned_of_and_only_attracts():
    content, _, present = batch()
    with pytest.warns(UserWarning, match="a batch of one subject has no pair that should differ; set batch_size to 2"):
        loss = ContentContrastLoss()(content[:1], present[:1])
    assert loss.isfinite()
    same = content[:1, :1].expand(1, 3, *content.shape[2:])
    with warnings.catch_warnings(action="ignore"):
        assert ContentContrastLoss()(same, present[:1]).item() == pytest.approx(softplus(-TAU), rel=1e-3)
        assert ContentContrastLoss()(content[:1, :1], present[:1, :1]) == 0  # a single map


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_float32_under_autocast(dtype):
    content, style, present = batch()
    losses = [(ContentContrastLoss(), content), (ContentContrastLoss("cosine"), content), (StyleContrastLoss(), style)]
    for loss, values in losses:
        with torch.autocast("cpu", dtype):
            under_autocast = loss(values, present)
        assert torch.equal(under_autocast, loss(values, present))


def test_an_unknown_similarity_is_refused():
    with pytest.raises(InputError, match="similarity must be one of ssim, cosine, got 'mse'"):
        ContentContrastLoss("mse")
