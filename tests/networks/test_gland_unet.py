from itertools import pairwise

import pytest
import torch
from monai.data import MetaTensor
from torch import nn
from torch.nn import functional

from shared.networks import GlandUNet

TINY = (4, 6, 8, 10, 12)


def make(**options):
    torch.manual_seed(0)
    return GlandUNet(**{"features": TINY, **options})


def trained(**options):
    """With statistics and affine parameters as after a training, in evaluation mode."""
    network = make(**options)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.weight, module.bias, module.running_mean):
                nn.init.normal_(values)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return network.eval()


def sizes_of(network, modules, image):
    """Width of the inputs of `modules` while the network runs."""
    seen = []
    hooks = [module.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[-1])) for module in modules]
    network(image)
    for hook in hooks:
        hook.remove()
    return seen


def test_sizes_are_those_of_fig_1():
    network = make().eval()
    image = torch.rand(1, 3, 250, 250)
    assert sizes_of(network, [*network.encoder, network.deepest], image) == [250, 125, 63, 32, 16]
    upsampled = []
    network.upsample.register_forward_hook(lambda _, args, output: upsampled.append(output.shape[-1]))
    assert sizes_of(network, network.decoder, image) == [32, 63, 125, 250]
    assert upsampled == [32, 64, 126, 250]


@pytest.mark.parametrize(
    ("features", "parameters"),
    [
        ((16, 32, 64, 128, 256), 1_966_117),
        ((32, 64, 128, 256, 512), 7_853_637),
        ((64, 128, 256, 512, 1024), 31_392_901),
    ],
)
def test_number_of_parameters(features, parameters):
    """2.0, 7.9 and 31.4 million; counted from the widths, layer by layer."""
    with torch.device("meta"):
        network = GlandUNet(features=features)
    pairs = [(3, features[0]), *pairwise(features)]  # the encoder
    pairs += [(below + skip, skip) for skip, below in pairwise(features)]  # the decoder
    counted = sum(9 * (i + o) * o + 2 * o + 4 * o for i, o in pairs)  # two convolutions, their biases, two norms
    counted += features[0] * 3 + 3 + features[-1] * 2 + 2
    assert sum(parameter.numel() for parameter in network.parameters()) == counted == parameters


def test_default_is_the_middle_one():
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in GlandUNet().parameters()) == 7_853_637


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (33, 16), (40, 100), (45, 63)])
@pytest.mark.parametrize("upsample", ["nearest", "bilinear"])
def test_any_size_from_16_in_both_modes(size, upsample):
    network = make(upsample=upsample)
    image = torch.rand(2, 3, *size)
    training = network(image)
    assert training["pred"].shape == (2, 3, *size)
    assert training["class_logits"].shape == (2, 2)
    assert network.eval()(image).shape == (2, 5, *size)


def test_evaluation_returns_the_labels_then_the_class_constant_over_space():
    network = trained()
    image = torch.rand(2, 3, 21, 30)
    output = network(image)
    for module in network.modules():
        module.training = module is network  # the same statistics, but the dictionary
    parts = network(image)
    assert torch.equal(output[:, :3], parts["pred"])
    assert torch.equal(output[:, 3:], parts["class_logits"].view(2, 2, 1, 1).expand(2, 2, 21, 30))


def test_bilinear_upsampling():
    nearest, bilinear = (make(upsample=upsample) for upsample in ("nearest", "bilinear"))
    ramp = torch.arange(2.0).view(1, 1, 1, 2)
    assert nearest.upsample(ramp)[0, 0, 0].tolist() == [0, 0, 1, 1]
    assert bilinear.upsample(ramp)[0, 0, 0].tolist() == [0, 0.25, 0.75, 1]


def convolution_relu_norm(x, block, norm=True):
    x = functional.conv2d(x, block.conv.weight, block.conv.bias, padding=1).clamp(min=0)
    return normalised(x, block.adn.N) if norm else x


def normalised(x, norm):
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return (x - norm.running_mean.view(1, -1, 1, 1)) * scale.view(1, -1, 1, 1) + norm.bias.view(1, -1, 1, 1)


def test_is_fig_1_written_out():
    """Two levels, on 5 x 4 pixels: pooled to 3 x 2, every pixel of it copied to 2 x 2, the last row left out."""
    network = trained(features=(4, 6))
    image = torch.rand(2, 3, 5, 4)
    skip = convolution_relu_norm(convolution_relu_norm(image, network.encoder[0][0]), network.encoder[0][1])
    pooled = functional.pad(skip, (0, 0, 0, 1), value=-torch.inf).unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(4, 5))
    assert pooled.shape[2:] == (3, 2)
    deepest = convolution_relu_norm(pooled, network.deepest[0])
    deepest = convolution_relu_norm(deepest, network.deepest[1], norm=False)
    class_logits = deepest.mean(dim=(2, 3)) @ network.class_head.weight.T + network.class_head.bias
    upsampled = normalised(deepest, network.deepest_norm).repeat_interleave(2, 2).repeat_interleave(2, 3)[:, :, :5]
    joined = torch.cat([skip, upsampled], dim=1)
    decoded = convolution_relu_norm(convolution_relu_norm(joined, network.decoder[0][0]), network.decoder[0][1])
    logits = torch.einsum("oc,bchw->bohw", network.label_head.weight[:, :, 0, 0], decoded)
    output = network(image)
    torch.testing.assert_close(output[:, :3], logits + network.label_head.bias.view(1, 3, 1, 1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(output[:, 3:, 0, 0], class_logits, rtol=1e-4, atol=1e-4)


def test_class_depends_on_the_picture_in_a_batch_of_one():
    """Mean over a picture behind batch normalisation would be the same number for every picture."""
    network = make()
    images = torch.rand(2, 1, 3, 32, 32) * torch.tensor([1.0, 0.2]).view(2, 1, 1, 1, 1)
    first, second = (network(image)["class_logits"] for image in images)
    assert (first - second).abs().max() > 1e-3


def test_scripted_network_gives_the_same():
    network = trained()
    scripted = torch.jit.script(network)
    for size in ((16, 16), (37, 50)):
        image = torch.rand(2, 3, *size)
        torch.testing.assert_close(scripted(image), network(image))


def test_convolutions_start_with_kaiming_weights():
    """Standard deviation sqrt(2 / fan in) before a ReLU, sqrt(1 / fan in) before the losses; no bias."""
    network = make(features=(16, 32, 64), out_channels=100, num_classes=100)
    for name, module in network.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan_in = module.weight[0].numel()
            gain = 1 if name.endswith("head") else 2
            assert module.bias.abs().max() == 0
            if module.weight.numel() > 1000:  # all but the first
                assert module.weight.std().item() == pytest.approx((gain / fan_in) ** 0.5, rel=0.1)


def test_other_channels():
    output = make(in_channels=1, out_channels=4, num_classes=5).eval()(torch.rand(2, 1, 20, 20))
    assert output.shape == (2, 9, 20, 20)


def test_metadata_stays():
    assert isinstance(make().eval()(MetaTensor(torch.rand(1, 3, 20, 20))), MetaTensor)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": (32,)}, r"features must hold the widths of two or more levels, got \[32\]"),
        ({"upsample": "cubic"}, "upsample must be 'nearest' or 'bilinear', got 'cubic'"),
    ],
)
def test_refuses_other_settings(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_normalized_input_makes_contrast_and_brightness_of_a_colour_irrelevant_in_training():
    image = torch.rand(2, 3, 40, 36)
    stained = image * torch.tensor([0.5, 0.8, 1.5]).view(1, 3, 1, 1) + torch.tensor([0.3, 0.0, -0.2]).view(1, 3, 1, 1)
    network = make(normalize_input=True).train()
    torch.testing.assert_close(network(stained)["pred"], network(image)["pred"], rtol=0.02, atol=0.05)
    assert not torch.allclose(make().train()(stained)["pred"], make().train()(image)["pred"], rtol=0.02, atol=0.05)


def test_normalized_input_uses_the_statistics_of_the_training_in_evaluation():
    network = make(normalize_input=True).eval()
    mean, variance = torch.tensor([0.7, 0.5, 0.6]), torch.tensor([0.01, 0.04, 0.02])
    network.input_norm.running_mean.copy_(mean)
    network.input_norm.running_var.copy_(variance)
    plain, image = make().eval(), torch.rand(1, 3, 33, 40)
    plain.load_state_dict(network.state_dict(), strict=False)
    normalized = (image - mean.view(1, 3, 1, 1)) / (variance.view(1, 3, 1, 1) + 1e-5).sqrt()
    torch.testing.assert_close(network(image), plain(normalized), rtol=1e-4, atol=1e-4)
