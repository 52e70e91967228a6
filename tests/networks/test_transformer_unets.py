"""What TransUNet, Swin-Unet and MISSFormer have in common."""

import pytest
import torch

from shared.errors import InputError
from shared.networks import MISSFormer, SwinUNet, TransUNet

TRANSUNET = {
    "image_size": (64, 64),
    "width": 32,
    "layers": (1, 1, 1),
    "hidden_size": 12,
    "mlp_dim": 16,
    "num_heads": 2,
    "num_layers": 1,
    "head_channels": 8,
    "decoder_channels": (8, 8, 4, 4),
}
SWIN = {"embed_dim": 8, "depths": (2, 1, 1, 1), "num_heads": (1, 2, 2, 4)}  # windows of 7 x 7: maps are padded
MISS = {"channels": (4, 8, 12, 16), "num_heads": (1, 2, 3, 4), "depths": (1, 1, 1, 1), "bridge_layers": 1}
NETWORKS = {  # maker and what height and width are multiples of
    "TransUNet": (lambda **options: TransUNet(**TRANSUNET, **options), 16),
    "SwinUNet": (lambda **options: SwinUNet(**SWIN, **options), 32),
    "MISSFormer": (lambda **options: MISSFormer(**MISS, **options), 32),
}


@pytest.fixture(params=NETWORKS)
def name(request):
    torch.manual_seed(0)
    return request.param


def test_any_allowed_size_goes_and_every_parameter_learns(name):
    make, multiple = NETWORKS[name]
    network = make(in_channels=1, out_channels=2).train()
    for size in ((2 * multiple, 3 * multiple), (5 * multiple, 4 * multiple)):
        logits = network(torch.randn(2, 1, *size))
        assert logits.shape == (2, 2, *size)
        logits.square().mean().backward()
    assert [key for key, value in network.named_parameters() if value.grad is None or not value.grad.any()] == []


def test_other_sizes_are_refused(name):
    make, multiple = NETWORKS[name]
    with pytest.raises(InputError, match=rf"image: must be \(B, 3, H, W\) with H and W multiples of {multiple}, got"):
        make()(torch.zeros(1, 3, 2 * multiple, 2 * multiple + 8))
    with pytest.raises(InputError, match=r"got \(1, 1, 64, 64\); resize it \(--image_size\), or pad it"):
        make()(torch.zeros(1, 1, 64, 64))


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_traced_network_gives_the_same(name):
    """Also for other sizes, but for Swin-Unet, whose windows are fixed."""
    make, _ = NETWORKS[name]
    network = make().eval()
    sizes = ((64, 64),) if name == "SwinUNet" else ((64, 64), (96, 32))
    with torch.no_grad():
        traced = torch.jit.trace(network, torch.randn(1, 3, 64, 64), check_trace=False)
        for size in sizes:
            image = torch.randn(2, 3, *size)
            torch.testing.assert_close(traced(image), network(image), rtol=1e-4, atol=1e-5)


def test_an_image_gets_the_same_alone_and_in_a_batch(name):
    network = NETWORKS[name][0]().eval().double()
    images = torch.randn(3, 3, 64, 64, dtype=torch.double)
    with torch.no_grad():
        alone = torch.cat([network(image[None]) for image in images])
        torch.testing.assert_close(network(images), alone)
