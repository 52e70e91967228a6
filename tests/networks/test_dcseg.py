import torch
from plain_layers import conv

from shared.networks import DCSeg, RFNet


def image(batch=2):
    return torch.randn(batch, 3, 16, 16, 16, generator=torch.Generator().manual_seed(0))


def make():
    torch.manual_seed(0)
    return DCSeg(in_channels=3, features=2)


def test_is_rfnet_with_branches():
    network, rfnet = make(), RFNet(in_channels=3, features=2)
    rfnet.load_state_dict({k: v for k, v in network.state_dict().items() if not k.startswith("branches.")})
    keep = torch.tensor([[True, False, True], [True, True, True]])
    with torch.no_grad():
        ours, theirs = network(image(), keep), rfnet(image(), keep)
        assert torch.equal(network.eval()(image(), keep), rfnet.eval()(image(), keep))
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=0, atol=0)


def test_branches_do_not_keep_the_network_from_being_scripted():
    torch.jit.script(make().eval())


def test_branches_are_off_in_evaluation():
    called = []
    network = make().eval()
    network.branches.register_forward_pre_hook(lambda *_: called.append(1))
    network(image())
    assert not called


def style_encoder(weights, name, x):
    x = torch.nn.functional.pad(x, [3] * 6, mode="reflect")
    x = torch.nn.functional.conv3d(x, weights[f"{name}.layers.0.weight"]).relu()
    for layer in (2, 4, 6, 8):
        x = torch.nn.functional.pad(x, [1] * 6, mode="reflect")
        x = torch.nn.functional.conv3d(x, weights[f"{name}.layers.{layer}.weight"], stride=2).relu()
    return x.mean(dim=(2, 3, 4)) @ weights[f"{name}.head.weight"].T + weights[f"{name}.head.bias"]


def linear(weights, name, x):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def image_decoder(weights, name, content, style):
    """AdaIN(z) = sigma (z - mean) / (std + 1e-5) + mu, in four blocks; then three times up, convolve and normalise."""
    hidden = linear(weights, f"{name}.hidden.2", linear(weights, f"{name}.hidden.0", style).relu()).relu()
    mu, sigma = linear(weights, f"{name}.mean", hidden), (linear(weights, f"{name}.log_variance", hidden) / 2).exp()

    def adaptive(z):
        mean, std = z.mean(dim=(2, 3, 4), keepdim=True), z.std(dim=(2, 3, 4), keepdim=True, correction=0)
        return sigma[:, :, None, None, None] * (z - mean) / (std + 1e-5) + mu[:, :, None, None, None]

    x = content
    for number in range(4):
        inner = adaptive(conv(weights, f"{name}.blocks.{number}.first", x)).relu()
        x = x + adaptive(conv(weights, f"{name}.blocks.{number}.second", inner))
    for number in range(3):
        x = torch.nn.functional.interpolate(x, scale_factor=2, mode="trilinear", align_corners=True)
        x = conv(weights, f"{name}.levels.{number}.conv", x)
        x = torch.nn.functional.layer_norm(x, x.shape[1:]).relu()
    return conv(weights, f"{name}.head", x)[:, 0]


def test_branches_are_the_published_ones_written_out():
    """From the fused features of the available modalities, and for all that are present, also those not kept."""
    network, keep = make(), torch.tensor([[True, False, True], [True, True, True]])
    deepest = []
    network.deepest.register_forward_hook(lambda module, args, output: deepest.append(output[0]))
    levels = []
    network.encoders.register_forward_hook(lambda module, args, output: levels.append(output.levels[-1]))
    with torch.no_grad():
        output, weights = network(image(), keep), network.state_dict()
        for m in range(3):
            style = style_encoder(weights, f"branches.style_encoders.{m}", image()[:, m : m + 1])
            torch.testing.assert_close(output["style"][:, m], style, rtol=1e-4, atol=1e-5)
            expected = image_decoder(weights, f"branches.image_decoders.{m}", deepest[0], style)
            torch.testing.assert_close(output["images"][:, m], expected, rtol=2e-3, atol=2e-3)
            torch.testing.assert_close(output["content"][:, m], levels[0][2 * m : 2 * m + 2])


def test_default_has_the_reported_number_of_parameters():
    """39.92 million in training with the published code's branches, 8.98 of them in evaluation."""
    with torch.device("meta"):
        assert round(sum(p.numel() for p in DCSeg().parameters()) / 1e6, 1) == 39.9
