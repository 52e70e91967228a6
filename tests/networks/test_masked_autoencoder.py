"""Pre-training of M3AE: what is hidden, restored and kept for fine-tuning."""

import pytest
import torch
from m3ae_written_out import convolution, decoded, image, small_m3ae
from torch.nn import functional

from shared.errors import InputError
from shared.networks import MaskedModalities


def autoencoder(**options):
    return MaskedModalities(small_m3ae(), **options)


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
    network, pretrained = small_m3ae(), autoencoder()
    torch.nn.init.constant_(pretrained.network.learned_image.values, 3.0)
    weights = {name.removeprefix("network."): value for name, value in pretrained.state_dict().items()}
    del weights["restore.weight"], weights["restore.bias"]
    network.load_state_dict(weights)
    assert network.learned_image.values.unique().tolist() == [3.0]
    assert "learned_image.values" not in dict(network.named_parameters())


@pytest.mark.parametrize("options", [{"hidden_share": 1.0}, {"hidden_share": -0.1}, {"cube": 0}])
def test_refuses_a_hidden_share_or_a_cube_out_of_range(options):
    with pytest.raises(InputError, match="hidden_share must be at least 0 and below 1, cube 1 or more, got"):
        autoencoder(**options)
