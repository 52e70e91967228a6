import pytest
import torch
from torch.distributions import Normal, kl_divergence

from shared.errors import InputError
from shared.losses import (
    ContentContrastLoss,
    ContrastiveRepresentationLoss,
    ReconstructionLoss,
    StyleContrastLoss,
    reconstruction_error,
)
from shared.networks import CLoE, DCSeg


def batch():
    random = torch.Generator().manual_seed(0)
    present = torch.tensor([[True, True], [True, False]])
    image = torch.randn(2, 2, 3, 4, 5, generator=random)
    image[1, 1] = float("nan")
    prediction = {
        "present": present,
        "content": torch.randn(2, 2, 3, 6, 6, 6, generator=random),
        "style": torch.randn(2, 2, 4, generator=random),
        "images": torch.randn(2, 2, 3, 4, 5, generator=random),
        "style_mean": torch.randn(2, 2, 4, generator=random),
        "style_log_variance": torch.randn(2, 2, 4, generator=random),
    }
    return prediction, {"image": image}


@pytest.mark.parametrize(("norm", "expected"), [("l1", (1 + 1 + 3) / 3), ("mse", (1 + 1 + 9) / 3)])
def test_errors_of_images_by_hand(norm, expected):
    """Errors 1, 1 and 3 of what is present, anything where it is not."""
    images = torch.tensor([[1.0, 1.0], [3.0, 7.0]]).view(2, 2, 1, 1).repeat(1, 1, 3, 2).requires_grad_()
    target = torch.zeros(2, 2, 3, 2)
    target[1, 1] = float("nan")
    error = reconstruction_error(images, target, torch.tensor([[True, True], [True, False]]), norm)
    error.backward()
    assert error.item() == pytest.approx(expected)
    assert images.grad.isfinite().all()
    assert not images.grad[1, 1].any()


def test_divergence_of_the_style_is_that_of_torch_distributions():
    prediction, target = batch()
    present = prediction["present"]
    mean, variance = prediction["style_mean"][present], prediction["style_log_variance"][present].exp()
    expected = kl_divergence(Normal(mean, variance.sqrt()), Normal(0.0, 1.0)).mean()
    terms = ReconstructionLoss().terms(prediction, target)
    torch.testing.assert_close(terms["style_divergence"], expected)
    total = terms["image_error"] + 0.25 * terms["style_divergence"]
    torch.testing.assert_close(ReconstructionLoss(divergence_weight=0.25)(prediction, target), total)


def test_is_the_weighted_sum_of_its_parts():
    prediction, target = batch()
    loss = ContrastiveRepresentationLoss(0.5, 2.0, 3.0, temperature=2.0, norm="mse")
    content = ContentContrastLoss(temperature=2.0)(prediction["content"], prediction["present"])
    style = StyleContrastLoss(temperature=2.0)(prediction["style"], prediction["present"])
    expected = 0.5 * content + 2 * style + 3 * ReconstructionLoss("mse")(prediction, target)
    torch.testing.assert_close(loss(prediction, target), expected)
    terms = loss.terms(prediction, target)
    assert set(terms) == {"contrastive", "content_contrast", "style_contrast", "image_error", "style_divergence"}
    torch.testing.assert_close(terms["content_contrast"], content)


@pytest.mark.parametrize(
    ("part", "needs"),
    [("content", {"content"}), ("style", {"style"}), ("generative", {"images", "style_mean", "style_log_variance"})],
)
def test_each_part_alone_needs_its_branch_alone(part, needs):
    prediction, target = batch()
    weights = {f"{name}_weight": float(name == part) for name in ("content", "style", "generative")}
    some = {name: value for name, value in prediction.items() if name in needs | {"present"}}
    loss = ContrastiveRepresentationLoss(**weights)
    assert loss(some, target) > 0
    for name in needs:
        with pytest.raises(KeyError):
            loss({key: value for key, value in some.items() if key != name}, target)


@pytest.mark.parametrize("kind", [CLoE, DCSeg])
def test_gradients_reach_every_branch(kind):
    torch.manual_seed(0)
    network = kind(in_channels=2, features=2, **({"branches": ["content", "style", "images"]} if kind is CLoE else {}))
    image = torch.randn(2, 2, 16, 16, 16)
    image[1, 1] = float("nan")
    keep = torch.tensor([[False, True], [True, True]])
    loss = ContrastiveRepresentationLoss(window_size=3)
    loss(network(image, keep), {"image": image}).backward()
    named = dict(network.named_parameters())
    reached = {name for name, p in named.items() if p.grad is not None and p.grad.isfinite().all() and p.grad.any()}
    missing = {n for n in named if n.startswith(("branches.", "encoders.")) and not n.endswith("bias")} - reached
    assert not missing


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_float32_under_autocast(dtype):
    prediction, target = batch()
    loss = ContrastiveRepresentationLoss()
    with torch.autocast("cpu", dtype):
        under_autocast = loss(prediction, target)
    assert torch.equal(under_autocast, loss(prediction, target))


def test_settings_without_meaning_are_refused():
    with pytest.raises(InputError, match="style_weight must be at least 0 and finite, got -1"):
        ContrastiveRepresentationLoss(style_weight=-1)
    with pytest.raises(InputError, match="norm must be one of l1, mse, got 'l2'"):
        ReconstructionLoss("l2")
    with pytest.raises(InputError, match="divergence_weight must be at least 0, got -1"):
        ReconstructionLoss(divergence_weight=-1)
