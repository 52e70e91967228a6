import math

import pytest
import torch
from scipy.ndimage import convolve

from shared.losses import BoundaryCurvatureLoss, curvature_distance, curvature_kernel


def test_kernel_by_hand():
    """3 x 3, sigma 1: e^-1/2 beside the centre, -e^-1/2 above and below, 0 on the diagonals; magnitudes sum to one."""
    expected = torch.tensor([[0, -0.25, 0], [0.25, 0, 0.25], [0, -0.25, 0]])
    torch.testing.assert_close(curvature_kernel(1.0, 3)[0, 0], expected)
    kernel = curvature_kernel()[0, 0]
    assert kernel.abs().sum().item() == pytest.approx(1)
    assert (kernel[2, 4] / kernel[2, 3]).item() == pytest.approx(4 * math.exp(-2) / math.exp(-0.5))
    torch.testing.assert_close(kernel.rot90(), -kernel)


def disk(x, size=24, radius=6):
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return ((rows - size / 2) ** 2 + (columns - x) ** 2 < radius**2).view(1, 1, size, size)


def test_a_pixel_too_many_costs_one_over_the_area():
    """Its filtered difference is the kernel itself, whose magnitudes sum to one."""
    logits = torch.full((1, 1, 11, 12), -3.0)
    logits[0, 0, 5, 6] = 0.1
    assert BoundaryCurvatureLoss()(logits, torch.zeros(1, 1, 11, 12)).item() == pytest.approx(1 / 132)


def test_is_eq_11_of_the_thresholded_masks():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 1, 9, 8, generator=generator)
    label = torch.randint(0, 2, (2, 1, 9, 8), generator=generator)
    kernel = curvature_kernel()[0, 0].double().numpy()
    total = 0.0
    for scores, mask in zip(logits[:, 0].numpy(), label[:, 0].numpy(), strict=True):
        predicted = (scores > 0).astype(float)
        filtered = convolve(mask.astype(float), kernel, mode="constant"), convolve(predicted, kernel, mode="constant")
        total += abs(filtered[0] - filtered[1]).mean()
    assert BoundaryCurvatureLoss()(logits, label).item() == pytest.approx(total / 2, rel=1e-5)


def test_the_value_does_not_depend_on_how_sure_the_prediction_is():
    logits = disk(11) * 2.0 - 1
    assert BoundaryCurvatureLoss()(logits, disk(13)) == BoundaryCurvatureLoss()(30 * logits, disk(13)) > 0


def test_straight_through_has_a_gradient_where_the_literal_form_has_none():
    """Found in the equation: a threshold passes no gradient on, so that the loss as printed trains nothing."""
    logits = (disk(10) * 2.0 - 1).requires_grad_()
    literal = curvature_distance(disk(13).float(), (logits.sigmoid() > 0.5).float(), curvature_kernel())
    assert not literal.requires_grad
    loss = BoundaryCurvatureLoss()(logits, disk(13))
    torch.testing.assert_close(loss.detach(), literal)
    loss.backward()
    assert logits.grad.abs().sum() > 1e-3


def test_its_gradient_moves_the_mask_to_the_lesion():
    logits = (disk(10) * 2.0 - 1).requires_grad_()
    first = BoundaryCurvatureLoss()(logits, disk(12)).item()
    for _ in range(30):
        (gradient,) = torch.autograd.grad(BoundaryCurvatureLoss()(logits, disk(12)), logits)
        logits = (logits - 1000 * gradient).detach().requires_grad_()
    assert BoundaryCurvatureLoss()(logits, disk(12)).item() < 0.7 * first


@pytest.mark.parametrize(("sigma", "size"), [(1, 4), (1, 1), (0, 5)])
def test_refuses_other_filters(sigma, size):
    with pytest.raises(ValueError, match="size must be odd and 3 or more, sigma positive"):
        BoundaryCurvatureLoss(sigma, size)
