import itertools

import numpy as np
import pytest
import torch
from plain_layers import conv, double, normal_act
from torch.utils.flop_counter import FlopCounterMode

from shared.errors import InputError
from shared.networks import CLoE, ExpertGate, RFNet, agreement_scores, expert_similarities, gate_strength_setter

NAN = float("nan")
SIZE = (16, 16, 24)


def make(**options):
    torch.manual_seed(0)
    network = CLoE(**{"features": 2, **options})
    if network.gate is not None:
        torch.nn.init.normal_(network.gate.perceptron[2].weight, std=5)  # as if trained
    return network


def volume(batch=1, modalities=4, seed=1):
    return torch.randn(batch, modalities, *SIZE, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def run(network, *args, **more):
    return network.eval()(*args, **more)


def cosine(first, second):
    """Eq. 2 in numbers of double precision."""
    first, second = (np.asarray(vector, dtype=np.float64).ravel() for vector in (first, second))
    return first @ second / (np.linalg.norm(first) * np.linalg.norm(second) + 1e-8)


def scores_by_loop(probabilities, available, region):
    """Eq. 6 for one sample: u and v of every available expert, (M, 2)."""
    there = [m for m in range(len(available)) if available[m]]
    scores = np.zeros((len(available), 2))
    for m in there:
        others = [k for k in there if k != m]
        for k in others:
            scores[m, 0] += cosine(probabilities[m], probabilities[k]) / len(others)
            scores[m, 1] += cosine(region * probabilities[m], region * probabilities[k]) / len(others)
    return scores


@pytest.mark.parametrize("space", [(7, 5), (4, 3, 5)])
def test_scores_are_those_of_the_printed_sums(space):
    """In two and three dimensions, with two, three, one and no other expert."""
    torch.manual_seed(0)
    probabilities, region = torch.randn(3, 4, 3, *space).softmax(dim=2), torch.rand(3, 1, *space)
    available = torch.tensor([[True] * 4, [True, False, True, True], [False, True, False, False]])
    broken = probabilities.clone()
    broken[~available] = NAN
    u = agreement_scores(expert_similarities(broken, available), available)
    v = agreement_scores(expert_similarities(broken, available, region), available)
    for sample in range(3):
        expected = scores_by_loop(probabilities[sample].numpy(), available[sample], region[sample].numpy())
        np.testing.assert_allclose(torch.stack([u[sample], v[sample]], dim=1), expected, rtol=1e-5)


def test_similarities_stay_finite_where_the_region_is_empty():
    """A sigmoid far below zero is zero in float32; the slope of a root is infinite there."""
    probabilities = torch.rand(1, 2, 3, 4, 4, requires_grad=True)
    region = torch.zeros(1, 1, 4, 4, requires_grad=True)
    similarities = expert_similarities(probabilities, torch.ones(1, 2) > 0, region)
    assert not similarities.any()
    similarities.sum().backward()
    assert probabilities.grad.isfinite().all()
    assert region.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_similarities_are_computed_in_single_precision_under_autocast(dtype):
    """120^3 probabilities of one: their sum of squares is beyond 65504, the largest half-precision number."""
    probabilities, available = torch.ones(1, 2, 1, 120, 120, 120), torch.ones(1, 2) > 0
    probabilities[:, 1, :, :60] = 0
    with torch.autocast("cpu", dtype):
        similarity = expert_similarities(probabilities, available)[0, 0, 1]
    assert similarity.item() == pytest.approx(0.5**0.5, abs=1e-5)


def closeness(scores):
    return -np.log(np.clip(1 - np.asarray(scores), 1e-4, None))


def gate(num_modalities=4, **more):
    torch.manual_seed(0)
    layer = ExpertGate(2, num_modalities, **more)
    torch.nn.init.normal_(layer.perceptron[2].weight, std=5)
    return layer


def test_gate_is_the_printed_softmax_over_what_is_available():
    layer, scores = gate(), torch.rand(2, 4, 2)
    available, slots = torch.tensor([[True, True, False, True], [True] * 4]), torch.arange(4).expand(2, -1)
    first, _, second = layer.perceptron
    hidden = (closeness(scores) @ first.weight.detach().numpy().T + first.bias.detach().numpy()).clip(min=0)
    g = (hidden @ second.weight.detach().numpy().T)[..., 0]
    expected = np.exp(g) * available.numpy()
    expected /= expected.sum(axis=1, keepdims=True)
    weights = layer(scores, available, slots)
    np.testing.assert_allclose(weights.detach(), expected, rtol=1e-4)
    assert weights[0, 2] == 0


def test_gate_tells_experts_apart_that_nearly_agree():
    """Scores near one, as trained experts have, move the weights as far as scores that differ much."""
    available, slots = torch.ones(1, 4) > 0, torch.arange(4)[None]
    near, far = (torch.tensor([[[1 - d, 1 - d] for d in (s, s, s, 10 * s)]]) for s in (0.0005, 0.05))
    for scores in (near, far):
        weights = gate()(scores, available, slots)[0]
        assert (weights - 0.25).abs().max() > 0.1
    assert gate()(torch.ones(1, 4, 2), available, slots).isfinite().all()


def test_gate_starts_with_equal_weights_and_strength_zero_keeps_them():
    scores, available, slots = torch.rand(1, 4, 2), torch.ones(1, 4) > 0, torch.arange(4)[None]
    assert torch.equal(ExpertGate(2, 4)(scores, available, slots), torch.full((1, 4), 0.25))
    layer = gate()
    layer.set_strength(0.0)
    assert torch.equal(layer(scores, available, slots), torch.full((1, 4), 0.25))
    assert layer.state_dict()["strength"] == 0
    with pytest.raises(ValueError, match="gate strength must be finite and at least 0, got -1"):
        layer.set_strength(-1)


def test_with_two_experts_both_have_the_same_scores_whatever_they_say():
    """S is symmetric, so that no function of the scores can tell the two apart."""
    torch.manual_seed(0)
    for _ in range(5):
        probabilities, available = torch.rand(3, 2, 3, 5, 5), torch.ones(3, 2) > 0
        scores = agreement_scores(expert_similarities(probabilities, available, torch.rand(3, 1, 5, 5)), available)
        torch.testing.assert_close(scores[:, 0], scores[:, 1], rtol=0, atol=1e-6)


def test_gate_does_not_read_the_scores_of_one_or_two_modalities():
    """They need not be known: experts are not decoded for them."""
    available = torch.tensor([[True, False, True, False], [False, True, False, False]])
    weights = gate()(torch.rand(2, 4, 2), available, torch.arange(4).expand(2, -1))
    assert weights.tolist() == [[0.5, 0.0, 0.5, 0.0], [0.0, 1.0, 0.0, 0.0]]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("modalities", [2, 4])
def test_gate_is_inert_with_two_modalities(modalities, dense, training):
    """Exactly: another gate changes no bit of the output."""
    network, keep = make(in_channels=modalities, dense=dense), torch.arange(modalities)[None] < 2
    image = volume(modalities=modalities)
    outputs = []
    for _ in range(2):
        torch.nn.init.normal_(network.gate.perceptron[2].weight, std=100)
        with torch.no_grad():
            output = network.train(training)(image, keep)
        if training:
            assert output["weights"][0].tolist() == [0.5, 0.5, 0.0, 0.0][:modalities]
        outputs.append(output["pred"] if training else output)
    assert torch.equal(*outputs)


def test_a_bias_per_modality_acts_on_two():
    network = make(in_channels=2, modality_bias=True)
    assert run(network.train(), volume(modalities=2)).shape == (1, 4, *SIZE)
    with torch.no_grad():
        network.gate.bias.copy_(torch.tensor([1.0, 0.0]))
        weights = network.train()(volume(modalities=2))["weights"][0]
    torch.testing.assert_close(weights, torch.tensor([1.0, 0.0]).softmax(dim=0))
    network.train()(volume(modalities=2))["pred"].square().mean().backward()
    assert network.gate.bias.grad.abs().min() > 0


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
    network, image = make(in_channels=4, out_channels=3), volume(batch=3)
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


def decoded_experts(network, image, keep=None):
    """Return how many experts an evaluation decodes."""
    decoded = []
    handle = network.expert_decoder.register_forward_pre_hook(lambda _, args: decoded.append(len(args[0][0])))
    run(network, image, keep)
    handle.remove()
    return sum(decoded)


@pytest.mark.parametrize(("available", "experts"), [(1, 0), (2, 0), (3, 3), (4, 4)])
def test_experts_that_cannot_change_the_weights_are_not_decoded(available, experts):
    image = volume()
    image[:, available:] = NAN
    assert decoded_experts(make(), image) == experts


def test_of_a_mixed_batch_only_the_deciding_samples_are_decoded():
    keep = torch.tensor([[True] * 4, [True, False, True, False], [True, True, False, True]])
    assert decoded_experts(make(), volume(batch=3), keep) == 4 + 3


@pytest.mark.parametrize("options", [{"fusion": "mean"}, {"fusion": "concat"}])
def test_without_gate_evaluation_decodes_no_expert(options):
    assert decoded_experts(make(**options), volume()) == 0


def test_equal_weights_are_what_fusion_mean_and_a_silent_gate_have_in_common():
    gated, plain = make(), make(fusion="mean")
    plain.load_state_dict({name: value for name, value in gated.state_dict().items() if not name.startswith("gate.")})
    gate_strength_setter(gated)(0.0)
    keep = torch.tensor([[True, False, True, True]])
    torch.testing.assert_close(run(gated, volume(), keep), run(plain, volume(), keep), rtol=1e-4, atol=1e-4)
    assert (run(make(), volume(), keep) - run(plain, volume(), keep)).abs().max() > 1e-3


def test_concatenation_is_a_convolution_of_the_masked_features():
    network, image, keep = make(fusion="concat"), volume(), torch.tensor([[True, False, True, True]])
    weights = network.state_dict()
    with torch.no_grad():
        levels = []
        for level in range(4):
            features = [encoder(weights, f"encoders.by_modality.{m}", image[:, m : m + 1])[level] for m in range(4)]
            features[1] = torch.zeros_like(features[1])
            levels.append(conv(weights, f"concat.{level}", torch.cat(features, dim=1)))
        expected = decoder(weights, "decoder", levels)
    torch.testing.assert_close(run(network, image, keep), expected, rtol=2e-3, atol=2e-3)


def test_given_weights_replace_those_of_the_gate():
    """All weight on one modality is the same as that modality alone."""
    network, image = make(), volume()
    weights = torch.tensor([[0.0, 0.0, 1.0, 0.0]])
    alone = torch.tensor([[False, False, True, False]])
    torch.testing.assert_close(run(network, image, weights=weights), run(network, image, alone), rtol=1e-3, atol=1e-3)


def test_experts_and_weigh_give_what_the_network_does_inside():
    network, image, keep = make(), volume(batch=2), torch.tensor([[True, False, True, True], [True] * 4])
    with torch.no_grad():
        inside = network.train()(image, keep)
        parts = network.eval().experts(image, keep)
        probabilities, region = parts["experts"].softmax(dim=2), parts["region"].sigmoid()
        weights, scores = network.weigh(probabilities, parts["available"], region)
    torch.testing.assert_close(parts["experts"], inside["experts"], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(scores, inside["scores"])
    torch.testing.assert_close(weights, inside["weights"], rtol=1e-3, atol=1e-3)
    with pytest.raises(InputError, match="this network has no gate"):
        make(fusion="mean").weigh(probabilities, parts["available"])


def test_no_gradient_goes_through_the_scores():
    network = make()
    network(volume())["pred"].square().mean().backward()
    assert not any(p.grad is not None and p.grad.any() for p in network.expert_decoder.parameters())
    assert all(p.grad.any() for p in network.gate.parameters())


def test_hidden_modalities_are_not_decoded():
    image, keep = volume(), torch.tensor([[True, False, True, False]])
    with torch.no_grad():
        output = make()(image, keep)
    assert output["experts"].flatten(2).any(2).tolist() == keep.tolist()
    assert output["available"].tolist() == output["decoded"].tolist() == keep.tolist()


def test_branches_see_complete_images_and_only_those_asked_for_exist():
    image, keep = volume(), torch.tensor([[True, False, False, False]])
    network = make(branches=["content", "style", "images"])
    with torch.no_grad():
        output = network(image, keep)
        other = network(torch.where(keep.view(1, 4, 1, 1, 1), image, image + 1), keep)
    assert output["content"].flatten(2).any(2).all()
    assert (output["style"] - other["style"])[0].abs().amax(1).gt(0).tolist() == [False, True, True, True]
    assert (output["images"] - other["images"])[0].flatten(1).any(1).tolist() == [False, True, True, True]
    torch.testing.assert_close(output["pred"], other["pred"])
    assert "style" not in make(branches=["content"])(image, keep)
    assert not [name for name, _ in make(branches=["content"]).named_parameters() if name.startswith("branches")]
    with pytest.raises(InputError, match="branches: give a list of content, style, images, got"):
        make(branches=["image"])


def test_gradients_reach_every_parameter_with_all_branches():
    network = make(branches=["content", "style", "images"])
    output = network(volume(batch=2), torch.tensor([[True] * 4, [True, True, False, True]]))
    sum(value.square().mean() for value in output.values() if value.is_floating_point()).backward()
    without = {name for name, parameter in network.named_parameters() if parameter.grad is None}
    assert not without
    zero = {name for name, parameter in network.named_parameters() if not parameter.grad.any()}
    assert all(name.endswith("bias") for name in zero)  # cancelled by the normalisation that follows


def test_branches_of_a_modality_that_no_sample_has():
    image = volume(batch=2)
    image[:, 1] = NAN
    output = make(branches=["content", "style", "images"])(image)
    for name in ("content", "style", "images", "style_mean", "style_log_variance"):
        assert output[name].flatten(2).any(2).tolist() == [[True, False, True, True]] * 2


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


def test_scripted_variants_give_the_same():
    image = volume(batch=2)
    image[1, 1] = NAN
    variants = [{"fusion": "concat"}, {"modality_bias": True, "gate_scores": ["modality"], "region_map": False}]
    for options in variants:
        network = make(**options).eval()
        torch.testing.assert_close(run(torch.jit.script(network), image), run(network, image), rtol=1e-4, atol=1e-4)


def test_every_subset_of_a_trained_network_gives_another_segmentation():
    network, image = make(), volume()
    outputs = []
    for keep in itertools.product([False, True], repeat=4):
        if any(keep):
            outputs.append(run(network, image, torch.tensor([keep])))
    assert all((a - b).abs().max() > 1e-3 for a, b in itertools.combinations(outputs, 2))


@pytest.mark.parametrize("available", [(0, 1, 2, 3), (0, 2), (3,)])
def test_segment_with_experts_is_the_segmentation_and_what_it_was_made_of(available):
    network, image = make(branches=["content"]).eval(), volume()
    image[:, [m for m in range(4) if m not in available]] = NAN
    with torch.no_grad():
        parts = network.segment_with_experts(image)
        torch.testing.assert_close(parts["pred"], network(image), rtol=1e-3, atol=1e-3)
        expected = network.experts(image)
        torch.testing.assert_close(parts["experts"], expected["experts"])
        torch.testing.assert_close(parts["region"], expected["region"])
        torch.testing.assert_close(parts["weights"], network.train()(image)["weights"], rtol=1e-3, atol=1e-4)
    assert "content" not in parts


def test_strength_of_a_gate_is_set_where_there_is_one():
    network = make()
    gate_strength_setter(network)(0.25)
    assert network.gate.strength == 0.25
    for without in (make(fusion="mean"), RFNet(features=2)):
        gate_strength_setter(without)(0.25)
