import pytest
import torch
from monai.data import MetaTensor
from monai.inferers import SlidingWindowInferer
from monai.transforms import Compose, Flip, SpatialCrop
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from shared.errors import InputError
from shared.inferers import PositionedWindowInferer
from shared.networks import M3AE, LearnedImage, MaskedModalities
from shared.networks.m3ae import _any_subset
from shared.transforms import NoteFramed


def image(batch=1, size=(16, 24, 16)):
    return torch.randn(batch, 4, *size, generator=torch.Generator().manual_seed(1))


def make(**options):
    """A small network whose learned image has learned something."""
    torch.manual_seed(0)
    network = M3AE(**{"features": 8, "extent_mm": (20.0, 30.0, 10.0), "spacing_mm": (2.0, 2.0, 2.0), **options})
    torch.nn.init.normal_(network.learned_image.values)
    for module in network.modules():
        if isinstance(module, torch.nn.GroupNorm):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
    return network


def block(weights, name, x):
    """Twice group normalisation in eight groups, ReLU and a convolution; and the input added."""
    hidden = x
    for part in "12":
        norm = functional.group_norm(
            hidden, 8, weights[f"{name}.norm{part}.weight"], weights[f"{name}.norm{part}.bias"]
        )
        hidden = functional.conv3d(norm.relu(), weights[f"{name}.conv{part}.conv.weight"], padding=1)
    return x + hidden


def convolution(weights, name, x, stride=1):
    weight = weights[f"{name}.weight"]
    return functional.conv3d(x, weight, weights[f"{name}.bias"], stride=stride, padding=weight.shape[-1] // 2)


def decoded(weights, x):
    """Feature maps of the decoder at strides 4, 2 and 1."""
    skips, levels = [], []
    for level, blocks in enumerate((1, 2, 2, 4)):
        x = convolution(weights, f"encoder.{level}.0", x, stride=2 if level else 1)
        for number in range(blocks):
            x = block(weights, f"encoder.{level}.{number + 1}", x)
        skips.append(x)
    for i in range(3):
        x = convolution(weights, f"decoder.{i}.narrow", x)
        for axis in (2, 3, 4):
            x = x.repeat_interleave(2, dim=axis)
        x = block(weights, f"decoder.{i}.block", x + skips[2 - i])
        levels.append(x)
    return levels


@torch.no_grad()
def test_is_the_published_network_written_out_on_the_learned_image():
    """Without a position the image is in the middle: its voxels are those of the box, whose size is 10, 15 and 5."""
    network = make(spacing_mm=(1.0, 1.0, 1.0), extent_mm=(20.0, 28.0, 16.0)).eval()
    filled, keep = image(), torch.tensor([[True, False, True, False]])
    filled[:, [1, 3]] = network.learned_image.values[:, [1, 3], 2:18, 2:26]
    weights = network.state_dict()
    expected = convolution(weights, "head", decoded(weights, filled)[2])
    torch.testing.assert_close(network(image(), keep), expected, rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_training_sees_two_subsets_of_one_image(monkeypatch):
    """The second is the first number of the smallest draw: modality 0 alone."""
    network, keep = make(), torch.tensor([[False, True, True, False]])
    monkeypatch.setattr(torch, "rand", lambda *size, **options: torch.zeros(*size))
    output, weights = network(image(), keep), network.state_dict()
    learned, levels = network.learned(image()), []
    for kept in ([1, 2], [0]):
        filled = learned.clone()
        filled[:, kept] = image()[:, kept]
        coarse, middle, fine = decoded(weights, filled)
        names = (("head", fine), ("coarse_heads.1", middle), ("coarse_heads.0", coarse))
        levels.append([convolution(weights, name, maps) for name, maps in names])
    (full, half, quarter), (other, other_half, other_quarter) = levels
    torch.testing.assert_close(output["pred"], full, rtol=1e-3, atol=1e-3)
    expected = [other, half, other_half, quarter, other_quarter]
    for ours, theirs in zip(output["deep_supervision"], expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(output["views"], torch.stack([quarter, other_quarter], dim=1), rtol=1e-3, atol=1e-3)


def test_second_subset_is_any_of_the_modalities_that_are_present():
    """All seven of three modalities, about equally often, and never the absent one."""
    torch.manual_seed(0)
    present = torch.tensor([[True, False, True, True]]).expand(7000, -1)
    subsets, counts = _any_subset(present).unique(dim=0, return_counts=True)
    assert len(subsets) == 7
    assert not subsets[:, 1].any()
    assert counts.min() > 850
    assert counts.max() < 1150


def test_learned_image_by_hand():
    """Three voxels of 2 mm along the first axis, values 0, 1, 2: voxel i of the image is i mm from the centre."""
    learned = LearnedImage(1, (6.0, 2.0, 2.0), (2.0, 2.0, 2.0))
    learned.values.copy_(torch.tensor([0.0, 1.0, 2.0]).view(1, 1, 3, 1, 1).expand(1, 1, 3, 2, 2))
    position = torch.tensor([[[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]])
    found = learned(position, [4, 2, 2])[0, 0, :, 0, 1]
    torch.testing.assert_close(found, torch.tensor([1.0, 1.5, 2.0, 2.0]))  # the border's value beyond the box
    turned = torch.tensor([[[0.0, 0, -1, 0], [0, 1, 0, 0], [1, 0, 0, 0]]])  # the last axis runs to the left
    torch.testing.assert_close(learned(turned, [2, 2, 3])[0, 0, 1, 0], torch.tensor([1.0, 0.5, 0.0]))


def oblique_case(size):
    """A case of 2 mm that is turned by 20 degrees in its affine."""
    turn = torch.tensor([[0.9397, -0.3420, 0.0], [0.3420, 0.9397, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    affine = torch.eye(4, dtype=torch.float64)
    affine[:3, :3], affine[:3, 3] = 2 * turn, torch.tensor([-31.0, 7.0, 100.0])
    return NoteFramed("image")({"image": MetaTensor(image(size=size)[0], affine=affine)})["image"]


@torch.no_grad()
def test_a_crop_of_a_case_finds_its_place_from_the_affine():
    """The learned image of a crop, flipped, is the crop, flipped, of the learned image of the case."""
    network, case = make(), oblique_case((16, 24, 32))
    of_case = network.learned(case[None])[0].as_subclass(torch.Tensor)
    crop = Compose([SpatialCrop(roi_start=(0, 8, 8), roi_end=(16, 24, 24)), Flip(1)])(case)
    found = network.learned(crop[None])[0].as_subclass(torch.Tensor)
    torch.testing.assert_close(found, of_case[:, :, 8:24, 8:24].flip(2), atol=1e-4, rtol=0)
    middle = network.learned(image(size=(16, 24, 32)))[0]  # the plain tensor, on the grid of the box: 2 mm as well
    torch.testing.assert_close(of_case, middle, atol=1e-4, rtol=0)


@torch.no_grad()
def test_windows_of_a_case_find_their_place():
    """As crops of the case do; MONAI's inferer would take each window for the brain's middle."""
    network, case = make().eval(), oblique_case((16, 16, 24))
    case[1] = torch.nan
    windows = [SpatialCrop(roi_start=(0, 0, start), roi_end=(16, 16, start + 16))(case)[None] for start in (0, 8)]
    first, second = (network(window).as_subclass(torch.Tensor) for window in windows)
    expected = torch.cat([first[..., :8], (first[..., 8:] + second[..., :8]) / 2, second[..., 8:]], dim=4)
    plain, settings = case.as_tensor()[None], {"roi_size": (16, 16, 16), "sw_batch_size": 2, "overlap": 0.5}
    found = PositionedWindowInferer(**settings)(plain, network)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    assert (found - SlidingWindowInferer(**settings)(plain, network)).abs().max() > 1e-2


def test_sliding_window_of_another_network_is_that_of_monai():
    case, settings = image(), {"roi_size": (8, 8, 8), "sw_batch_size": 2, "overlap": 0.5}
    ours, theirs = (inferer(**settings) for inferer in (PositionedWindowInferer, SlidingWindowInferer))
    assert torch.equal(ours(case, torch.nn.Softmax(dim=1)), theirs(case, torch.nn.Softmax(dim=1)))


def test_default_has_the_published_size_and_operations():
    """4.70 million parameters and 35.7 million values of the learned image; 72.3 GFLOP at 80^3, here of 16^3."""
    with torch.device("meta"):
        network = M3AE()
    count = sum(parameter.numel() for parameter in network.parameters())
    assert abs(count / 4.70e6 - 1) < 0.02
    assert network.learned_image.values.numel() == 4 * 155 * 240 * 240
    network = M3AE(extent_mm=(4.0, 4.0, 4.0)).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 4, 16, 16, 16))
    assert abs(counter.get_total_flops() / (72.3e9 * 16**3 / 80**3) - 1) < 0.02


@pytest.mark.parametrize("box", [{"extent_mm": (1.0, 2.0)}, {"spacing_mm": (1.0, 0.0, 1.0)}])
def test_refuses_a_box_without_three_edges(box):
    with pytest.raises(InputError, match="extent_mm and spacing_mm must be three numbers above 0, got"):
        M3AE(**box)


def autoencoder(**options):
    return MaskedModalities(make(), **options)


def test_hides_seven_of_eight_cubes_and_what_is_not_available():
    """Of 4 x 12 cubes six are seen, all of them of the two available modalities, whole cubes each."""
    torch.manual_seed(0)
    available = torch.tensor([[True, False, True, False], [True] * 4])
    seen = autoencoder(cube=8).visible(available, [16, 24, 16])
    assert seen.flatten(1).sum(dim=1).tolist() == [6 * 8**3] * 2
    assert not seen[0, [1, 3]].any()
    cubes = functional.avg_pool3d(seen.float(), 8)
    assert set(cubes.unique().tolist()) == {0.0, 1.0}
    alone = autoencoder(cube=8, hidden_share=0.5).visible(torch.tensor([[False, True, False, False]]), [16, 24, 16])
    assert alone.flatten(2).sum(dim=2).tolist() == [[0, 12 * 8**3, 0, 0]]  # 24 may be seen, but there are no more
    narrow = autoencoder(cube=16).visible(available[1:], [16, 24, 16])
    assert narrow.shape == (1, 4, 16, 24, 16)
    assert narrow.sum() in (16 * 16 * 16, 16 * 8 * 16)  # one of eight, which an image's end may cut


@torch.no_grad()
def test_autoencoder_restores_from_what_is_seen_alone():
    torch.manual_seed(0)
    network, scan = autoencoder(cube=8), image()
    scan[:, 2] = torch.nan
    seen = network.visible(torch.tensor([[True, True, False, True]]), [16, 24, 16])
    network.visible = lambda *_: seen
    output = network(scan)
    filled = torch.where(seen, scan, network.network.learned(scan))
    weights = network.network.state_dict()
    expected = convolution(network.state_dict(), "restore", decoded(weights, filled)[2])
    torch.testing.assert_close(output["images"], expected, rtol=1e-3, atol=1e-3)
    changed = torch.where(seen, scan, 7.0)
    changed[:, 2] = torch.nan
    torch.testing.assert_close(network(changed)["images"], output["images"], rtol=0, atol=0)


def test_training_of_the_autoencoder_reaches_all_but_the_heads():
    network = autoencoder(cube=8)
    output = network(image(), torch.tensor([[True, False, True, True]]))
    output["images"].square().mean().backward()
    without = {name for name, parameter in network.named_parameters() if parameter.grad is None}
    heads = ("head", "coarse_heads.0", "coarse_heads.1")
    assert without == {f"network.{head}.{part}" for head in heads for part in ("weight", "bias")}
    assert network.network.learned_image.values.grad.any()


def test_fine_tuning_starts_from_the_autoencoder_and_keeps_its_learned_image():
    network, pretrained = make(), autoencoder()
    torch.nn.init.constant_(pretrained.network.learned_image.values, 3.0)
    weights = {name.removeprefix("network."): value for name, value in pretrained.state_dict().items()}
    del weights["restore.weight"], weights["restore.bias"]
    network.load_state_dict(weights)
    assert network.learned_image.values.unique().tolist() == [3.0]
    assert "learned_image.values" not in dict(network.named_parameters())


@pytest.mark.parametrize("options", [{"hidden_share": 1.0}, {"hidden_share": -0.1}, {"cube": 0}])
def test_refuses_to_hide_everything(options):
    with pytest.raises(InputError, match="hidden_share must be at least 0 and below 1, cube 1 or more, got"):
        autoencoder(**options)
