import pytest
import torch
from monai.metrics.regression import compute_ssim_and_cs
from torch.autograd import gradcheck
from torch.nn import functional

from shared.errors import InputError
from shared.losses import pairwise_structural_similarity


def maps(space, number=3, channels=2, seed=0):
    return torch.randn(number, channels, *space, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("space", "window"), [((9, 12), 11), ((8, 7, 10), 11), ((8, 7, 3), (11, 7, 5))])
def test_every_pair_is_that_of_monai_with_reflected_borders(space, window):
    """MONAI convolves without a border; given one, it computes as many positions as there are."""
    items = maps(space)
    sizes = [window] * len(space) if isinstance(window, int) else window
    border = [radius for size in reversed(sizes) for radius in (size // 2, size // 2)]
    padded = functional.pad(items, border, mode="reflect")
    similarities = pairwise_structural_similarity(items, window)
    value_range = (items.max() - items.min()).item()
    for a in range(3):
        for b in range(3):
            pair = padded[a : a + 1], padded[b : b + 1]
            ssim, _ = compute_ssim_and_cs(*pair, len(space), sizes, [1.5] * len(space), data_range=value_range)
            assert similarities[a, b].item() == pytest.approx(ssim.mean().item(), abs=1e-5)


def test_of_a_map_with_itself_is_one():
    item, other = maps((8, 8, 8), number=2).split(1)
    similarities = pairwise_structural_similarity(torch.cat([item, item, other]))
    torch.testing.assert_close(similarities[0, 1], torch.tensor(1.0))
    torch.testing.assert_close(similarities.diagonal(), torch.ones(3))
    assert similarities[0, 2] < 0.5
    torch.testing.assert_close(similarities, similarities.t())


def test_a_given_range_replaces_that_of_the_data():
    """Constant maps 0 and 1 with R = 1: c_1 / (1 + c_1), c_1 = 0.0001."""
    items = torch.stack([torch.zeros(1, 6, 6, 6), torch.ones(1, 6, 6, 6)])
    assert pairwise_structural_similarity(items, data_range=1.0)[0, 1].item() == pytest.approx(
        1e-4 / (1 + 1e-4), rel=1e-3
    )


def test_gradients_are_those_of_differences():
    items = maps((4, 3, 5), channels=1).double().requires_grad_()
    assert gradcheck(lambda x: pairwise_structural_similarity(x, (5, 5, 7), data_range=3.0), items)


def test_constant_maps_stay_finite():
    """Their range is zero, and every quotient zero by zero: they are alike."""
    items = torch.ones(2, 1, 6, 6, 6, requires_grad=True)
    similarities = pairwise_structural_similarity(items)
    similarities.sum().backward()
    assert similarities[0, 1].item() == pytest.approx(1.0)
    assert items.grad.isfinite().all()


@pytest.mark.parametrize(("size", "window"), [(5, 11), (8, 4)])
def test_a_window_that_does_not_fit_is_refused(size, window):
    words = f"window_size: {window} does not fit an axis of {size} voxels.*at most {2 * size - 1}. Take a larger patch"
    with pytest.raises(InputError, match=words):
        pairwise_structural_similarity(maps((size, 8, 8)), window)
