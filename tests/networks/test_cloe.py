"""CLoE is the published network, and what its variants of fusion have in common."""

import itertools

import numpy as np
import pytest
import torch
from agreement_by_loop import closeness, scores_by_loop
from plain_layers import conv, double, normal_act
from small_cloe import NAN, run, small_cloe, volume
from torch.utils.flop_counter import FlopCounterMode

from shared.errors import InputError
from shared.networks import CLoE, RFNet, gate_strength_setter


def block(weights, name, x, stride=1):
    return normal_act(conv(weights, f"{name}.conv", x, stride=stride))


def encoder(weights, name, x):
    levels = []
    for level in range(4):
        at = f"{name}.levels.{level}"
        x = block(weights, f"{at}.enter", x, stride=1 if level == 0 else 2)
        x = x + block(weights, f"{at}.residual.1", block(weights, f"{at}.residual.0", x))
        levels.append(x)
    return levels


def decoder(weights, name, levels):
    x = levels[3]
    for i in range(3):
        up = block(weights, f"{name}.levels.{i}.up.1", double(x))
        x = block(weights, f"{name}.levels.{i}.merge.0", torch.cat([up, levels[2 - i]], dim=1))
        x = block(weights, f"{name}.levels.{i}.merge.1", x)
    return conv(weights, f"{name}.head", x)


def restated(weights, image, available):
    """One sample by the equations: features, experts (1), region map (4), scores (6), weights (7), fusion."""
    there = [m for m in range(len(available)) if available[m]]
    features = {m: encoder(weights, f"encoders.by_modality.{m}", image[:, m : m + 1]) for m in there}
    experts = {m: decoder(weights, "expert_decoder", features[m]) for m in there}
    mean = sum(features[m][0] for m in there) / len(there)
    hidden = conv(weights, "region_map.0", mean)
    region = conv(weights, "region_map.2", torch.where(hidden > 0, hidden, 0.2 * hidden))
    probabilities = [experts[m][0].softmax(dim=0).numpy() if m in there else None for m in range(len(available))]
    scores = scores_by_loop(probabilities, available, region.sigmoid()[0].numpy())
    first, bias, second = (weights[f"gate.perceptron.{name}"].numpy() for name in ("0.weight", "0.bias", "2.weight"))
    g = (
        ((closeness(scores) @ first.T + bias).clip(min=0) @ second.T)[:, 0]
        if len(there) > 2
        else np.zeros(len(available))
    )
    exponentials = np.exp(g) * available.numpy()
    w = exponentials / exponentials.sum()
    fused = [sum(float(w[m]) * features[m][level] for m in there) for level in range(4)]
    return decoder(weights, "decoder", fused), experts, region, w, scores


def test_is_the_published_network_written_out():
    network, image = small_cloe(in_channels=4, out_channels=3), volume(batch=3)
    keep = torch.tensor([[True] * 4, [True, False, True, True], [False, True, True, False]])
    with torch.no_grad():
        network.gate.perceptron[2].weight.mul_(5)
        output = network(image, keep)
        weights = network.state_dict()
        for sample in range(3):
            pred, experts, region, w, scores = restated(weights, image[sample : sample + 1], keep[sample])
            torch.testing.assert_close(output["pred"][sample], pred[0], rtol=2e-3, atol=2e-3)
            torch.testing.assert_close(output["region"][sample], region[0], rtol=2e-3, atol=2e-3)
            np.testing.assert_allclose(output["weights"][sample], w, rtol=1e-3, atol=1e-3)
            np.testing.assert_allclose(output["scores"][sample], scores, rtol=1e-4, atol=1e-4)
            for m, expert in experts.items():
                torch.testing.assert_close(output["experts"][sample, m], expert[0], rtol=2e-3, atol=2e-3)
    assert output["weights"][0].std() > 0.01  # the gate did act
    torch.testing.assert_close(run(network, image, keep), output["pred"], rtol=2e-3, atol=2e-3)


def test_concatenation_is_a_convolution_of_the_masked_features():
    network, image, keep = small_cloe(fusion="concat"), volume(), torch.tensor([[True, False, True, True]])
    weights = network.state_dict()
    with torch.no_grad():
        levels = []
        for level in range(4):
            features = [encoder(weights, f"encoders.by_modality.{m}", image[:, m : m + 1])[level] for m in range(4)]
            features[1] = torch.zeros_like(features[1])
            levels.append(conv(weights, f"concat.{level}", torch.cat(features, dim=1)))
        expected = decoder(weights, "decoder", levels)
    torch.testing.assert_close(run(network, image, keep), expected, rtol=2e-3, atol=2e-3)


def test_equal_weights_are_what_fusion_mean_and_a_silent_gate_have_in_common():
    gated, plain = small_cloe(), small_cloe(fusion="mean")
    plain.load_state_dict({name: value for name, value in gated.state_dict().items() if not name.startswith("gate.")})
    gate_strength_setter(gated)(0.0)
    keep = torch.tensor([[True, False, True, True]])
    torch.testing.assert_close(run(gated, volume(), keep), run(plain, volume(), keep), rtol=1e-4, atol=1e-4)
    assert (run(small_cloe(), volume(), keep) - run(plain, volume(), keep)).abs().max() > 1e-3


def test_default_has_the_expected_number_of_parameters():
    """Encoders and two decoders of RFNet, a region map of 16 -> 8 -> 1 channels, and a perceptron 2 -> 16 -> 1."""
    with torch.device("meta"):
        network, rfnet = CLoE(), RFNet()
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in rfnet.named_children()}
    expected = count["encoders"] + 2 * count["expert_decoder"] + (16 * 8 * 27 + 8) + (8 + 1) + (2 * 16 + 16) + 16
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


@pytest.mark.parametrize(("available", "most"), [(4, 375), (3, 300), (2, 115), (1, 85)])
def test_operations_are_within_bounds(available, most):
    """In 10^9 at 80^3; measured at 32^3, which has 15.625 times fewer voxels."""
    image = torch.zeros(1, 4, 32, 32, 32)
    image[:, available:] = NAN
    network = CLoE().eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(image)
    assert counter.get_total_flops() * (80 / 32) ** 3 / 1e9 <= most


def test_every_subset_of_a_trained_network_gives_another_segmentation():
    network, image = small_cloe(), volume()
    outputs = []
    for keep in itertools.product([False, True], repeat=4):
        if any(keep):
            outputs.append(run(network, image, torch.tensor([keep])))
    assert all((a - b).abs().max() > 1e-3 for a, b in itertools.combinations(outputs, 2))


def test_scripted_variants_give_the_same():
    image = volume(batch=2)
    image[1, 1] = NAN
    variants = [{"fusion": "concat"}, {"modality_bias": True, "gate_scores": ["modality"], "region_map": False}]
    for options in variants:
        network = small_cloe(**options).eval()
        torch.testing.assert_close(run(torch.jit.script(network), image), run(network, image), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fusion": "sum"}, "fusion must be one of gate, mean, concat, got 'sum'"),
        ({"gate_scores": "region"}, "gate_scores: give a list of modality and region, got 'region'"),
        ({"gate_scores": []}, "gate_scores: give a list of modality and region"),
        ({"region_map": False}, 'gate_scores: "region" needs the region map'),
        ({"fusion": "mean", "modality_bias": True}, "modality_bias needs the gate"),
        ({"features": 3}, "features must be even, 2 or more, got 3"),
    ],
)
def test_settings_without_meaning_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        CLoE(**options)
