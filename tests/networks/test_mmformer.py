import pytest
import torch
from plain_layers import conv, double, normal_act
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from shared.networks import MMFormer

NAN = float("nan")
SIZE = (32, 48, 32)  # a grid of 2 x 3 x 2 = 12 tokens
TINY = {"features": 2, "img_size": SIZE, "hidden_size": 8, "mlp_dim": 12, "num_heads": 2, "dropout_rate": 0.0}


def make(**options):
    torch.manual_seed(0)
    network = MMFormer(**{**TINY, **options})
    for within in network.within:
        torch.nn.init.normal_(within.positions)
    return network


def block(weights, name, x, **options):
    return conv(weights, f"{name}.conv", normal_act(x), **options)


def encoder(weights, name, x):
    levels = []
    for level in range(5):
        at = f"{name}.levels.{level}"
        x = conv(weights, f"{at}.enter", x) if level == 0 else block(weights, f"{at}.enter", x, stride=2)
        x = x + block(weights, f"{at}.residual.1", block(weights, f"{at}.residual.0", x))
        levels.append(x)
    return levels


def norm(weights, name, tokens):
    centred = tokens - tokens.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(weights, name, tokens):
    return tokens @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", 0)


def transformer(weights, name, tokens, positions, heads=2):
    at = f"{name}.layers.0"
    tokens = tokens + positions
    query, key, value = linear(weights, f"{at}.qkv", norm(weights, f"{at}.attention_norm", tokens)).chunk(3, dim=-1)
    width = query.shape[-1] // heads
    attended = []
    for head in range(heads):
        mine = slice(head * width, (head + 1) * width)
        scores = query[..., mine] @ key[..., mine].transpose(1, 2) / width**0.5
        attended.append(scores.softmax(-1) @ value[..., mine])
    tokens = tokens + linear(weights, f"{at}.projection.0", torch.cat(attended, dim=-1))
    hidden = functional.gelu(linear(weights, f"{at}.feed_forward.1", norm(weights, f"{at}.feed_forward.0", tokens)))
    return tokens + linear(weights, f"{at}.feed_forward.4", hidden)


def fuse(weights, name, x):
    """x: (B, M C, ...), all modalities, absent ones zero."""
    x = conv(weights, f"{name}.enter", normal_act(x))
    return block(weights, f"{name}.blocks.1", block(weights, f"{name}.blocks.0", x, mode="constant"))


def merge(weights, name, first, second):
    return block(weights, f"{name}.merge.1", block(weights, f"{name}.merge.0", torch.cat([first, second], dim=1)))


def restated(weights, image, available, legacy):
    """Every encoder and transformer runs; what is absent is set to zero behind them."""
    modalities, grid = image.shape[1], (2, 3, 2)
    encoded = [encoder(weights, f"encoders.by_modality.{m}", image[:, m : m + 1]) for m in range(modalities)]
    mask = available.view(*available.shape, 1, 1, 1, 1)
    levels = [torch.stack([of_one[i] for of_one in encoded], dim=1) * mask for i in range(4)]
    tokens = []
    for m, of_one in enumerate(encoded):
        own = conv(weights, f"within.{m}.enter", of_one[4]).flatten(2).transpose(1, 2)
        own = transformer(weights, f"within.{m}.transformer", own, weights[f"within.{m}.positions"])
        tokens.append(own * available[:, m].view(-1, 1, 1))
    everywhere = torch.cat([weights[f"within.{m}.positions"] for m in range(modalities)])
    tokens = transformer(weights, "across", torch.cat(tokens, dim=1), everywhere)
    batch, _, size = tokens.shape
    if legacy:
        deepest = tokens.reshape(batch, *grid, modalities * size).permute(0, 4, 1, 2, 3)
    else:
        deepest = torch.empty(batch, modalities * size, *grid)
        for m in range(modalities):
            for place in range(12):
                h, w, d = place // 6, place // 2 % 3, place % 2
                deepest[:, m * size : (m + 1) * size, h, w, d] = tokens[:, 12 * m + place]
    decoded = fuse(weights, "deepest", conv(weights, "from_tokens", deepest))
    regions = []
    for i in range(4):
        regions.insert(0, conv(weights, f"regions.{i}", decoded))
        up = block(weights, f"levels.{i}.up.1", double(decoded))
        decoded = merge(weights, f"levels.{i}", fuse(weights, f"levels.{i}.skip", levels[3 - i].flatten(1, 2)), up)
    experts = []
    for of_one in encoded:
        alone = of_one[4]
        for i in range(4):
            up = block(weights, f"expert_decoder.levels.{i}.up.1", double(alone))
            alone = merge(weights, f"expert_decoder.levels.{i}", up, of_one[3 - i])
        experts.append(conv(weights, "expert_decoder.head", alone))
    return conv(weights, "head", decoded), torch.stack(experts, dim=1), regions


@pytest.mark.parametrize("legacy", [False, True])
def test_is_the_published_network_written_out(legacy):
    network = make(in_channels=3, legacy_token_layout=legacy)
    image = torch.randn(3, 3, *SIZE)
    keep = torch.tensor([[True, True, True], [False, True, False], [True, False, True]])
    with torch.no_grad():
        output = network(image, keep)
        pred, experts, regions = restated(network.state_dict(), image, keep, legacy)
    torch.testing.assert_close(output["pred"], pred, rtol=2e-3, atol=2e-3)
    torch.testing.assert_close(output["experts"], experts, rtol=2e-3, atol=2e-3)
    for ours, theirs in zip(output["deep_supervision"], regions, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=2e-3, atol=2e-3)


@torch.no_grad()
def test_positions_of_absent_modalities_are_seen():
    network, image = make().eval(), torch.randn(1, 4, *SIZE)
    image[:, 2] = NAN
    before = network(image)
    network.within[2].positions.add_(torch.randn_like(network.within[2].positions))
    assert (network(image) - before).abs().max() > 1e-4


@torch.no_grad()
def test_other_sizes_in_evaluation_and_only_there():
    network = make()
    assert network.eval()(torch.randn(1, 4, 48, 32, 32)).shape == (1, 4, 48, 32, 32)
    with pytest.raises(ValueError, match=r"its tokens form a grid \[3, 2, 2\], those of img_size \[2, 3, 2\]"):
        network.train()(torch.randn(1, 4, 48, 32, 32))


@torch.no_grad()
def test_dropout_acts_in_training_only():
    network, image = make(dropout_rate=0.5), torch.randn(1, 4, *SIZE)
    assert not torch.equal(network(image)["pred"], network(image)["pred"])
    network.eval()
    assert torch.equal(network(image), network(image))


@pytest.mark.parametrize(
    ("options", "parameters"),
    [({}, 36.65e6 - 0.263e6), ({"img_size": (96, 128, 128)}, 36.65e6 - 0.263e6 - 4 * 128 * 512)],
)
def test_default_has_the_published_number_of_parameters_less_the_unused(options, parameters):
    with torch.device("meta"):
        network = MMFormer(**options)
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(parameters, abs=1e4)


@pytest.mark.parametrize(("absent", "low", "high"), [((), 0.98 * 60.6, 1.02 * 60.6), ((0, 1, 3), 0, 40)])
def test_operations_are_the_published_ones_and_fewer_without_modalities(absent, low, high):
    """Measured at 32^3; at 80^3 there are 15.625 times as many, without the attention, which is not counted."""
    image = torch.zeros(1, 4, 32, 32, 32)
    image[:, list(absent)] = NAN
    network = MMFormer(img_size=(32, 32, 32)).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(image)
    assert low <= counter.get_total_flops() * (80 / 32) ** 3 / 1e9 <= high


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"img_size": (32, 40, 32)}, "img_size must be three multiples of 16, 32 or more"),
        ({"img_size": (32, 16, 32)}, "img_size must be three multiples of 16, 32 or more"),
        ({"img_size": (32, 32)}, "img_size must be three multiples of 16, 32 or more"),
        ({"hidden_size": 9}, "hidden_size must be a multiple of num_heads = 2, got 9"),
        ({"num_heads": 0}, "features and num_heads must be 1 or more, got 2 and 0"),
        ({"features": 0}, "features and num_heads must be 1 or more, got 0 and 2"),
    ],
)
def test_refuses_other_settings(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_a_fixed_graph_interpolates_positions_which_changes_nothing_on_the_grid_of_training(monkeypatch):
    """The same graph then runs on other grids: here twice the tokens along the first axis."""
    network = make().eval()
    images = [torch.randn(2, 4, *size) for size in (SIZE, (64, 48, 32))]
    images[0][0, 1] = NAN
    with torch.no_grad():
        expected = [network(image) for image in images]
        monkeypatch.setattr("shared.networks.intra_modal_transformer.is_tracing_or_exporting", lambda: True)
        for wanted, image in zip(expected, images, strict=True):
            torch.testing.assert_close(network(image), wanted, rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_traced_network_runs_on_another_grid():
    network = make(features=1).eval()
    with torch.no_grad():
        traced = torch.jit.trace(network, torch.randn(1, 4, *SIZE), check_trace=False)
        image = torch.randn(2, 4, 64, 32, 48)
        torch.testing.assert_close(traced(image), network(image), rtol=1e-3, atol=1e-3)
