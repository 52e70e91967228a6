import pytest
import torch
from plain_layers import conv, double, normal_act
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from shared.networks import RegionAwareFusion, RFNet

NAN = float("nan")


def block(weights, name, x, stride=1):
    """Convolution with reflected borders, normalisation, activation; the convolution's weights are the name's own."""
    return normal_act(conv(weights, name, x, stride=stride))


def concatenated(weights, name, x):
    """x: (B, M C, ...), all modalities, absent ones zero."""
    x = block(weights, f"{name}.enter", x)
    return block(weights, f"{name}.blocks.1.conv", block(weights, f"{name}.blocks.0.conv", x))


def encoder(weights, name, x):
    levels = []
    for level in range(4):
        at = f"{name}.levels.{level}"
        x = block(weights, f"{at}.enter.conv", x, stride=1 if level == 0 else 2)
        x = x + block(weights, f"{at}.residual.1.conv", block(weights, f"{at}.residual.0.conv", x))
        levels.append(x)
    return levels


def region_sums(weights, name, x, probabilities):
    """With the tensor of seven axes (B, M, R, C, H, W, D), as the paper's code has it; x is (B, M, C, ...)."""
    batch, modalities = x.shape[:2]
    everything = x.unsqueeze(2) * probabilities.unsqueeze(1).unsqueeze(3)
    sums = []
    for region in range(probabilities.shape[1]):
        share = probabilities[:, region].mean(dim=(1, 2, 3)).view(batch, 1) + 1e-7
        pooled = everything[:, :, region].mean(dim=(3, 4, 5)).view(batch, -1) / share
        described = torch.cat([pooled, share], dim=1)
        first, second = (f"{name}.weigh.{region}.{i}" for i in (0, 2))
        hidden = functional.leaky_relu(described @ weights[f"{first}.weight"].T + weights[f"{first}.bias"], 0.2)
        weight = torch.sigmoid(hidden @ weights[f"{second}.weight"].T + weights[f"{second}.bias"])
        sums.append((everything[:, :, region] * weight.view(batch, modalities, 1, 1, 1, 1)).sum(dim=1))
    return torch.stack(sums, dim=1)


def fuse(weights, name, x, decoded):
    embedded = concatenated(weights, f"{name}.region_maps.embed", x.flatten(1, 2))
    joined = embedded if decoded is None else torch.cat([decoded, embedded], dim=1)
    logits = conv(weights, f"{name}.region_maps.head.1", block(weights, f"{name}.region_maps.head.0.conv", joined))
    regions = region_sums(weights, f"{name}.fusion", x, logits.softmax(dim=1)).flatten(1, 2)
    for i in range(3):
        regions = block(weights, f"{name}.fusion.regions.{i}.conv", regions)
    return torch.cat([regions, concatenated(weights, f"{name}.fusion.shortcut", x.flatten(1, 2))], dim=1), logits


def restated(weights, image, available):
    """RFNet as published: every encoder runs, what is absent is set to zero behind it."""
    encoded = [encoder(weights, f"encoders.by_modality.{m}", image[:, m : m + 1]) for m in range(image.shape[1])]
    mask = available.view(*available.shape, 1, 1, 1, 1)
    levels = [torch.stack([of_one[level] for of_one in encoded], dim=1) * mask for level in range(4)]
    decoded, logits = fuse(weights, "deepest", levels[3], None)
    regions = [logits]
    for i in range(3):
        up = block(weights, f"levels.{i}.up.1.conv", double(decoded))
        fused, logits = fuse(weights, f"levels.{i}.skip", levels[2 - i], up)
        decoded = block(weights, f"levels.{i}.merge.0.conv", torch.cat([fused, up], dim=1))
        decoded = block(weights, f"levels.{i}.merge.1.conv", decoded)
        regions.insert(0, logits)
    experts = []
    for of_one in encoded:
        alone = of_one[3]
        for i in range(3):
            up = block(weights, f"expert_decoder.levels.{i}.up.1.conv", double(alone))
            alone = block(weights, f"expert_decoder.levels.{i}.merge.0.conv", torch.cat([up, of_one[2 - i]], dim=1))
            alone = block(weights, f"expert_decoder.levels.{i}.merge.1.conv", alone)
        experts.append(conv(weights, "expert_decoder.head", alone))
    return conv(weights, "head", decoded), torch.stack(experts, dim=1), regions


def test_is_the_published_network_written_out():
    torch.manual_seed(0)
    network = RFNet(features=4, in_channels=3, out_channels=4)
    image = torch.randn(3, 3, 16, 24, 16)
    keep = torch.tensor([[True, True, True], [False, True, False], [True, False, True]])
    with torch.no_grad():
        output = network(image, keep)
        pred, experts, regions = restated(network.state_dict(), image, keep)
    torch.testing.assert_close(output["pred"], pred, rtol=2e-3, atol=2e-3)
    torch.testing.assert_close(output["experts"], experts, rtol=2e-3, atol=2e-3)
    for ours, theirs in zip(output["deep_supervision"], regions, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=2e-3, atol=2e-3)


def make_fusion(channels=4, modalities=3, regions=2):
    torch.manual_seed(0)
    fusion = RegionAwareFusion(channels, modalities, regions)
    weights = {f"fusion.{name}": value for name, value in fusion.state_dict().items()}
    probabilities = torch.randn(2, regions, 5, 4, 6).softmax(dim=1)
    return fusion, weights, torch.randn(2, modalities, channels, 5, 4, 6), probabilities


def test_fusion_by_regions_is_the_form_with_seven_axes():
    """The second sample has the modalities 0 and 2 alone, which stand in slots 0 and 1."""
    fusion, weights, features, probabilities = make_fusion()
    features[1, 1] = 0
    packed, slots = features.clone(), torch.tensor([[0, 1, 2], [0, 2, 1]])
    packed[1, 1], packed[1, 2] = features[1, 2], 0
    expected = region_sums(weights, "fusion", features, probabilities)
    torch.testing.assert_close(fusion.weighted_by_region(packed, slots, probabilities), expected, rtol=1e-5, atol=1e-5)


def test_fusion_in_half_precision_survives_a_large_volume():
    """600 x 200 x 1 voxels of mean 2: their plain sum is beyond 65504."""
    fusion, _, _, _ = make_fusion()
    packed, slots = torch.full((1, 3, 4, 600, 200, 1), 2.0), torch.arange(3).view(1, 3)
    probabilities = torch.full((1, 2, 600, 200, 1), 0.5)
    exact = fusion.weighted_by_region(packed, slots, probabilities)
    half = fusion.half().weighted_by_region(packed.half(), slots, probabilities)
    torch.testing.assert_close(half.float(), exact, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("share", [2e-5, 0.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_what_describes_a_faint_region_survives_half_precision(share, dtype):
    """A share of 2e-5, divided by the root of so many voxels, would be zero in half precision; 1 / 1e-7 infinite."""
    fusion, _, _, _ = make_fusion()
    packed, slots = torch.randn(1, 3, 4, 40, 40, 40) + 2, torch.arange(3).view(1, 3)
    probabilities = torch.stack([torch.full((1, 40, 40, 40), value) for value in (1 - share, share)], dim=1)
    probabilities = probabilities.to(dtype)
    described = []
    fusion.weigh[1].register_forward_pre_hook(lambda _, args: described.append(args[0].float()))
    fusion.weighted_by_region(packed, slots, probabilities.float())
    fusion.half().weighted_by_region(packed.half(), slots, probabilities)
    torch.testing.assert_close(described[1], described[0], rtol=0.01, atol=1e-6)


def test_no_gradient_goes_through_the_region_maps_into_the_fusion():
    torch.manual_seed(0)
    network = RFNet(features=2)
    network(torch.randn(1, 4, 16, 16, 16))["pred"].sum().backward()
    heads = [network.deepest.region_maps.head, *(level.skip.region_maps.head for level in network.levels)]
    assert all(parameter.grad is None for head in heads for parameter in head.parameters())


def test_default_has_the_published_number_of_parameters():
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in RFNet().parameters()) == 8_984_960


@pytest.mark.parametrize(("absent", "low", "high"), [((), 0.98 * 203.6, 1.02 * 203.6), ((0, 1, 3), 0, 150)])
def test_operations_are_the_published_ones_and_fewer_without_modalities(absent, low, high):
    """Measured at 32^3; at 80^3 there are 15.625 times as many."""
    image = torch.zeros(1, 4, 32, 32, 32)
    image[:, list(absent)] = NAN
    network = RFNet().eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(image)
    assert low <= counter.get_total_flops() * (80 / 32) ** 3 / 1e9 <= high
