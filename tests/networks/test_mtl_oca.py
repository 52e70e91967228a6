import numpy as np
import pytest
import torch
from scipy import ndimage

from shared.errors import InputError
from shared.networks import MTLOCA, GaussianEdges, ObjectContextAttention

SMALL = {"channels": (8, 16, 16), "key_channels": 8}


def test_context_is_that_of_the_formula_pixel_by_pixel():
    torch.manual_seed(0)
    attention = ObjectContextAttention(8, 16, regions=3)
    features = torch.randn(1, 8, 2, 3)
    with torch.no_grad():
        output, logits = attention(features)
        pixels = features[0].flatten(1).T  # (6, 8)
        scores = pixels @ attention.region_logits.weight[:, :, 0, 0].T + attention.region_logits.bias
        torch.testing.assert_close(logits[0].flatten(1).T, scores)
        regions = []
        for region in range(3):
            share = torch.exp(scores[:, region]) / torch.exp(scores[:, region]).sum()
            regions.append(sum(share[i] * pixels[i] for i in range(6)))
        regions = torch.stack(regions, dim=1)[None, :, :, None]
        psi, delta = attention.region_key(regions)[0, :, :, 0], attention.region_value(regions)[0, :, :, 0]
        phi = attention.pixel_key(features)[0].flatten(1)
        mixture = torch.empty(16, 6)
        for i in range(6):
            weights = [torch.exp(phi[:, i] @ psi[:, k] / 4) for k in range(3)]  # the root of 16 keys
            mixture[:, i] = sum(weights[k] * delta[:, k] for k in range(3)) / sum(weights)
        context = attention.context(mixture.view(1, 16, 2, 3))
        torch.testing.assert_close(output, attention.join(torch.cat([features, context], dim=1)))


@pytest.mark.parametrize("sigma", [1.0, 1.5])
def test_edges_are_those_of_scipy(sigma):
    image = np.random.default_rng(0).normal(size=(1, 3, 20, 24)).astype(np.float32)
    radius = int(np.ceil(3 * sigma))
    expected = np.sqrt(
        sum(
            ndimage.gaussian_filter(image[0].mean(0), sigma, order, mode="nearest", radius=radius) ** 2
            for order in ((0, 1), (1, 0))
        )
    )
    found = GaussianEdges(sigma)(torch.from_numpy(image))[0, 0]
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=1e-4, atol=1e-5)


def test_class_is_read_before_the_context_and_the_side_output_is_the_lesion_against_the_background():
    torch.manual_seed(0)
    network = MTLOCA(**SMALL)
    regions = []
    network.context.region_logits.register_forward_hook(lambda *call: regions.append(call[2]))
    output = network(torch.randn(2, 3, 32, 16))
    (side,) = output["side_outputs"]
    torch.testing.assert_close(side.sigmoid(), regions[0].softmax(dim=1)[:, 1:])
    output["class_logits"].square().sum().backward(retain_graph=True)
    reached = {name.split(".")[0] for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert reached == {"backbone", "class_head"}
    output["pred"].square().sum().backward()
    assert all(parameter.grad.any() for parameter in network.parameters())


def test_class_head_sees_the_means_of_8_x_8_parts():
    network, seen = MTLOCA(**SMALL).eval(), []
    network.class_head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    image = torch.randn(2, 3, 32, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        network(image)
        features = network.backbone(torch.cat([image, network.edges(image)], dim=1))
    torch.testing.assert_close(seen[0], torch.nn.functional.adaptive_avg_pool2d(features, 8).flatten(1))


def test_evaluation_is_one_tensor_of_any_allowed_size():
    network = MTLOCA(**SMALL, num_classes=2).eval()
    with torch.no_grad():
        output = network(torch.randn(1, 3, 40, 24))
    assert output.shape == (1, 3, 40, 24)
    assert torch.equal(output[:, 1:], output[:, 1:, :1, :1].expand(-1, -1, 40, 24))


@pytest.mark.parametrize(("channels", "size", "multiple"), [((8, 8, 8), 12, 8), ((8,) * 5, 40, 16)])
def test_sizes_that_the_levels_or_the_parts_do_not_divide_are_refused(channels, size, multiple):
    with pytest.raises(InputError, match=rf"image: must be \(B, 3, H, W\) with H and W multiples of {multiple}, got"):
        MTLOCA(channels=channels, key_channels=8)(torch.zeros(1, 3, 32, size))


@pytest.mark.parametrize("wrong", [{"channels": (8, 12)}, {"key_channels": 4}])
def test_widths_that_cannot_be_grouped_are_refused(wrong):
    with pytest.raises(InputError, match="channels and key_channels: expected multiples of 8, got"):
        MTLOCA(**(SMALL | wrong))
