"""U-HeMIS and U-HVED."""

import pytest
import torch
from plain_layers import conv, double, normal_act
from torch.distributions import Normal, kl_divergence
from torch.nn import functional

from shared.networks import UHVED, RFNet, UHeMIS, product_of_gaussians

NAN = float("nan")


def make(kind):
    """A small network whose normalisations have learned something."""
    torch.manual_seed(0)
    network = kind(features=4)
    for module in network.modules():
        if isinstance(module, torch.nn.InstanceNorm3d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
    return network


def block(weights, name, x):
    scale, shift = (weights[f"{name}.norm.{part}"].view(-1, 1, 1, 1) for part in ("weight", "bias"))
    return conv(weights, f"{name}.conv", normal_act(x, 0.02, scale, shift), mode="constant")


def encoder(weights, name, x):
    x = functional.leaky_relu(conv(weights, f"{name}.enter.0", x), 0.02)
    levels = []
    for level in range(4):
        if level:
            x = functional.max_pool3d(x, 2)
        x = block(weights, f"{name}.levels.{level}.1", block(weights, f"{name}.levels.{level}.0", x))
        levels.append(x)
    return levels


def decoder(weights, name, levels):
    x = levels[3]
    for i in range(3):
        x = torch.cat([double(x), levels[2 - i]], dim=1)
        x = block(weights, f"{name}.levels.{i}.1", block(weights, f"{name}.levels.{i}.0", x))
    return conv(weights, f"{name}.head", x)


@pytest.mark.parametrize("available", [[0], [1, 3], [0, 1, 2, 3]])
@torch.no_grad()
def test_uhemis_is_the_published_network_written_out(available):
    network, image = make(UHeMIS).eval(), torch.randn(1, 4, 16, 24, 16)
    weights = network.state_dict()
    encoded = [encoder(weights, f"encoders.by_modality.{m}", image[:, m : m + 1]) for m in available]
    fused = []
    for level in zip(*encoded):
        stacked = torch.stack(level)
        fused.append(torch.cat([stacked.mean(0), stacked.var(0, unbiased=False)], dim=1))
    keep = torch.tensor([[m in available for m in range(4)]])
    torch.testing.assert_close(network(image, keep), decoder(weights, "decoder", fused), rtol=1e-3, atol=1e-3)


def uhved_means(weights, image, available):
    """Precisions 1 / variance add up, with 1 for the prior; the mean of the prior is 0."""
    encoded = [encoder(weights, f"encoders.by_modality.{m}", image[:, m : m + 1]) for m in available]
    fused = []
    for level in zip(*encoded):
        gaussians = [features.chunk(2, dim=1) for features in level]
        precision = 1 + sum(1 / logvar.exp() for _, logvar in gaussians)
        fused.append(sum(mean / logvar.exp() for mean, logvar in gaussians) / precision)
    return fused


@pytest.mark.parametrize("available", [[0], [1, 3], [0, 1, 2, 3]])
@torch.no_grad()
def test_uhved_segments_the_mean_in_evaluation(available):
    network, image = make(UHVED).eval(), torch.randn(1, 4, 16, 24, 16)
    weights = network.state_dict()
    expected = decoder(weights, "decoder", uhved_means(weights, image, available))
    keep = torch.tensor([[m in available for m in range(4)]])
    torch.testing.assert_close(network(image, keep), expected, rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_uhved_decodes_samples_in_training(monkeypatch):
    """With the noise at zero training decodes the mean, to every modality, too."""
    network, image = make(UHVED), torch.randn(1, 4, 16, 24, 16)
    keep = torch.tensor([[True, False, False, True]])
    assert not torch.equal(network(image, keep)["pred"], network(image, keep)["pred"])
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)
    output, weights = network(image, keep), network.state_dict()
    fused = uhved_means(weights, image, [0, 3])
    images = torch.cat([decoder(weights, f"image_decoders.{m}", fused) for m in range(4)], dim=1)
    torch.testing.assert_close(output["pred"], decoder(weights, "decoder", fused), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(output["images"], images, rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_uhved_sample_has_the_variance_of_the_product(monkeypatch):
    """With noise of one everywhere, the decoder reads mean + standard deviation."""
    torch.manual_seed(0)
    network, image = UHVED(features=4), torch.randn(1, 4, 16, 24, 16)
    read = []
    network.decoder.register_forward_pre_hook(lambda _, args: read.append(args[0]))
    monkeypatch.setattr(torch, "randn_like", torch.ones_like)
    output = network(image)
    for latent, means, log_variances in zip(read[0], output["means"], output["log_variances"], strict=True):
        mean, log_variance = product_of_gaussians(means, log_variances, output["available"])
        torch.testing.assert_close(latent, mean + log_variance.exp().sqrt())


def test_product_of_gaussians_by_hand():
    """Means 2 and 6 with variances 1 and 1/2, and the prior: precision 1 + 2 + 1 = 4, mean (2 + 12) / 4 = 3.5."""
    means = torch.tensor([2.0, 6.0, NAN]).nan_to_num(100.0).view(1, 3, 1)
    log_variances = torch.tensor([1.0, 0.5, 7.0]).log().view(1, 3, 1)
    mean, log_variance = product_of_gaussians(means, log_variances, torch.tensor([[True, True, False]]))
    assert mean.item() == pytest.approx(3.5)
    assert log_variance.exp().item() == pytest.approx(0.25)


def test_product_of_no_gaussian_is_the_prior():
    mean, log_variance = product_of_gaussians(torch.ones(1, 2, 3), torch.ones(1, 2, 3), torch.zeros(1, 2) > 0)
    assert kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum() == 0


@torch.no_grad()
def test_uhved_log_variances_are_bounded():
    """Variances stay between 1e-7, which the published code adds to each, and e^50, its bound as well."""
    network = UHVED(features=2)
    for encoder, bias in zip(network.encoders.by_modality, (1e4, -1e4, 1e4, 1e4), strict=True):
        encoder.levels[0][1].conv.bias.fill_(bias)
    output = network(torch.randn(1, 4, 16, 16, 16))
    log_variances, means = output["log_variances"][0][0], output["means"][0][0]
    assert log_variances[0].max() == 50
    assert log_variances[1].min().exp().item() == pytest.approx(1e-7)
    assert means[0].min() > 5000
    assert output["pred"].isfinite().all()


def test_uhemis_sees_one_modality_without_variance():
    """Half of what its decoder reads is zero, exactly, then."""
    network, image, read = UHeMIS(features=4).eval(), torch.randn(2, 4, 16, 16, 16), []
    network.decoder.register_forward_pre_hook(lambda _, args: read.extend(args[0]))
    image[0, 1:] = NAN
    network(image)
    for level in read:
        _, variance = level.chunk(2, dim=1)
        assert not variance[0].any()
        assert variance[1].all()


def test_widths_are_the_published_ones():
    """First and second convolution of every level, in the encoders and in the decoders."""
    with torch.device("meta"):
        hemis, hved = UHeMIS(), UHVED()
    convolutions = {}
    for name, network in (("hemis", hemis), ("hved", hved)):
        parts = (network.encoders.by_modality[0].levels, network.decoder.levels)
        convolutions[name] = [[[half.conv.out_channels for half in level] for level in part] for part in parts]
    decoders = [[32, 16], [16, 8], [8, 4]]
    assert convolutions["hemis"] == [[[8, 4], [16, 8], [32, 16], [64, 32]], decoders]
    assert convolutions["hved"] == [[[8, 8], [16, 16], [32, 32], [64, 64]], decoders]


@pytest.mark.parametrize("kind", [RFNet, UHeMIS, UHVED])
@pytest.mark.parametrize("features", [3, 0])
def test_refuses_a_width_without_halves(kind, features):
    with pytest.raises(ValueError, match=f"features must be even, 2 or more, got {features}"):
        kind(features=features)
