import pytest
import torch
from monai.data import MetaTensor
from monai.inferers import SlidingWindowInferer
from monai.networks.nets import UNet
from torch import nn

from shared.inferers import WholeOrWindowInferer

SIZES = [(20, 26), (10, 12, 14)]


class RegionsAndClass(nn.Module):
    """Two channels by a convolution and a class score: the mean of one of them over space, as a constant channel."""

    def __init__(self, spatial_dims):
        super().__init__()
        self.convolution = (nn.Conv2d, nn.Conv3d)[spatial_dims - 2](3, 2, kernel_size=5, padding=2)

    def forward(self, image):
        regions = self.convolution(image)
        score = regions[:, :1].flatten(2).mean(dim=2).reshape(-1, 1, *[1] * (image.ndim - 2))
        return torch.cat([regions, score.expand_as(regions[:, :1])], dim=1)


@pytest.fixture(params=SIZES, ids=["2d", "3d"])
def image(request):
    return torch.randn(2, 3, *request.param, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
@pytest.mark.parametrize("mode", ["constant", "gaussian"])
@pytest.mark.parametrize("larger_by", [0, 7])
def test_image_that_fits_gives_what_the_network_alone_gives(image, larger_by, mode):
    """MONAI's own inferer does so only at the window's size: beyond, it pads, which the class score counts."""
    torch.manual_seed(0)
    network = RegionsAndClass(image.ndim - 2)
    window = [length + larger_by for length in image.shape[2:]]
    expected = network(image)
    result = WholeOrWindowInferer(window, mode=mode)(image, network)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-6)
    if larger_by:
        padded = SlidingWindowInferer(window, mode=mode)(image, network)
        assert (padded - expected)[:, 2].abs().min() > 1e-3


@torch.no_grad()
def test_network_sees_the_image_itself(image):
    seen = []
    WholeOrWindowInferer([64] * (image.ndim - 2), sw_batch_size=2)(image, lambda window: seen.append(window) or window)
    assert len(seen) == 1
    assert torch.equal(seen[0], image)


def constants_by_window(values):
    """Give a network whose one channel is, on its n-th call, the n-th value."""
    remaining = list(values)
    return lambda window: torch.full_like(window[:, :1], remaining.pop(0))


def test_constant_channels_of_several_windows_average_to_their_mean():
    """6 x 8 in windows of 3 x 4 beside each other: -1, 2, 5 and 10 in the quarters; mean 4."""
    result = WholeOrWindowInferer((3, 4), overlap=0)(
        torch.zeros(1, 3, 6, 8), constants_by_window([-1.0, 2.0, 5.0, 10.0])
    )
    assert result[0, 0, ::3, ::4].tolist() == [[-1, 2], [5, 10]]
    assert result.mean().item() == 4


def test_windows_that_overlap_share_what_is_theirs():
    """8 rows in windows of 5: rows 0-4 and 3-7; both have rows 3 and 4: 3 * 2 + 2 * 5 + 3 * 8 over 8 rows is 5."""
    result = WholeOrWindowInferer((5, 100), overlap=0.4)(torch.zeros(1, 3, 8, 2), constants_by_window([2.0, 8.0]))
    assert result[0, 0, :, 0].tolist() == [2, 2, 2, 5, 5, 8, 8, 8]
    assert result.mean().item() == 5


@pytest.mark.parametrize(
    ("roi_size", "windows"), [((8, 8), {(8, 8)}), ((8, 100), {(8, 26)}), (-1, {(20, 26)}), (23, {(20, 23)})]
)
def test_only_axes_longer_than_the_window_are_cut(roi_size, windows):
    seen = set()
    WholeOrWindowInferer(roi_size)(
        torch.zeros(1, 1, 20, 26), lambda window: seen.add(tuple(window.shape[2:])) or window
    )
    assert seen == windows


@torch.no_grad()
def test_larger_image_is_stitched_as_monai_does(image):
    network = RegionsAndClass(image.ndim - 2)
    options = {"roi_size": [8] * (image.ndim - 2), "sw_batch_size": 3, "overlap": 0.5, "mode": "gaussian"}
    expected = SlidingWindowInferer(**options)(image, network)
    assert torch.equal(WholeOrWindowInferer(**options)(image, network), expected)


@torch.no_grad()
@pytest.mark.parametrize("roi_size", [16, -1])
def test_network_that_needs_even_sizes(image, roi_size):
    """Three levels: multiples of 4. Of the image, padded by less than that, nothing is lost."""
    dims = image.ndim - 2
    network = UNet(dims, 3, 2, channels=(2, 4, 8), strides=(2, 2), norm=None)
    image = image[..., 1:, :-1]
    result = WholeOrWindowInferer(roi_size, divisible_by=4)(image, network)
    assert result.shape == (2, 2, *image.shape[2:])
    torch.testing.assert_close(WholeOrWindowInferer(roi_size, divisible_by=4)(image, lambda window: window), image)


def test_same_inferer_serves_images_of_any_size():
    inferer = WholeOrWindowInferer((16, 16))
    for size in [(5, 40), (16, 16), (40, 5), (3, 3)]:
        image = torch.rand(1, 1, *size)
        torch.testing.assert_close(inferer(image, lambda window: 2 * window), 2 * image)
    assert inferer.roi_size == (16, 16)


def test_stitches_where_it_is_told_to_and_keeps_the_metadata():
    image = MetaTensor(torch.rand(1, 1, 9, 9), affine=torch.diag(torch.tensor([2.0, 3.0, 1.0])))
    result = WholeOrWindowInferer((4, 4), device="cpu", sw_device="cpu")(image, lambda window: window)
    torch.testing.assert_close(result.as_tensor(), image.as_tensor())
    assert torch.equal(result.affine, image.affine)
    on_meta = WholeOrWindowInferer((9, 9), device="meta")(image.as_tensor(), lambda window: window)
    assert on_meta.device.type == "meta"


def test_rejects_a_window_of_another_dimension():
    with pytest.raises(ValueError, match="length"):
        WholeOrWindowInferer((8, 8))(torch.zeros(1, 1, 9, 9, 9), lambda window: window)
