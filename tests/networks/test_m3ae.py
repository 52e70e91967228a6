import pytest
import torch
from m3ae_written_out import convolution, decoded, image, small_m3ae
from torch.utils.flop_counter import FlopCounterMode

from shared.errors import InputError
from shared.networks import M3AE
from shared.networks.m3ae import _any_subset


@torch.no_grad()
def test_is_the_published_network_written_out_on_the_learned_image():
    """Without a position the image is in the middle: its voxels are those of the box, whose size is 10, 15 and 5."""
    network = small_m3ae(spacing_mm=(1.0, 1.0, 1.0), extent_mm=(20.0, 28.0, 16.0)).eval()
    filled, keep = image(), torch.tensor([[True, False, True, False]])
    filled[:, [1, 3]] = network.learned_image.values[:, [1, 3], 2:18, 2:26]
    weights = network.state_dict()
    expected = convolution(weights, "head", decoded(weights, filled)[2])
    torch.testing.assert_close(network(image(), keep), expected, rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_training_sees_two_subsets_of_one_image(monkeypatch):
    """The second is the first number of the smallest draw: modality 0 alone."""
    network, keep = small_m3ae(), torch.tensor([[False, True, True, False]])
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
