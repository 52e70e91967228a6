"""The experts of CLoE: when they are decoded, and what is reported of them."""

import pytest
import torch
from small_cloe import NAN, run, small_cloe, volume

from shared.errors import InputError


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
    assert decoded_experts(small_cloe(), image) == experts


def test_of_a_mixed_batch_only_the_deciding_samples_are_decoded():
    keep = torch.tensor([[True] * 4, [True, False, True, False], [True, True, False, True]])
    assert decoded_experts(small_cloe(), volume(batch=3), keep) == 4 + 3


@pytest.mark.parametrize("options", [{"fusion": "mean"}, {"fusion": "concat"}])
def test_without_gate_evaluation_decodes_no_expert(options):
    assert decoded_experts(small_cloe(**options), volume()) == 0


def test_hidden_modalities_are_not_decoded():
    image, keep = volume(), torch.tensor([[True, False, True, False]])
    with torch.no_grad():
        output = small_cloe()(image, keep)
    assert output["experts"].flatten(2).any(2).tolist() == keep.tolist()
    assert output["available"].tolist() == output["decoded"].tolist() == keep.tolist()


def test_no_gradient_goes_through_the_scores():
    network = small_cloe()
    network(volume())["pred"].square().mean().backward()
    assert not any(p.grad is not None and p.grad.any() for p in network.expert_decoder.parameters())
    assert all(p.grad.any() for p in network.gate.parameters())


def test_given_weights_replace_those_of_the_gate():
    """All weight on one modality is the same as that modality alone."""
    network, image = small_cloe(), volume()
    weights = torch.tensor([[0.0, 0.0, 1.0, 0.0]])
    alone = torch.tensor([[False, False, True, False]])
    torch.testing.assert_close(run(network, image, weights=weights), run(network, image, alone), rtol=1e-3, atol=1e-3)


def test_experts_and_weigh_give_what_the_network_does_inside():
    network, image, keep = small_cloe(), volume(batch=2), torch.tensor([[True, False, True, True], [True] * 4])
    with torch.no_grad():
        inside = network.train()(image, keep)
        parts = network.eval().experts(image, keep)
        probabilities, region = parts["experts"].softmax(dim=2), parts["region"].sigmoid()
        weights, scores = network.weigh(probabilities, parts["available"], region)
    torch.testing.assert_close(parts["experts"], inside["experts"], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(scores, inside["scores"])
    torch.testing.assert_close(weights, inside["weights"], rtol=1e-3, atol=1e-3)
    with pytest.raises(InputError, match="this network has no gate"):
        small_cloe(fusion="mean").weigh(probabilities, parts["available"])


@pytest.mark.parametrize("available", [(0, 1, 2, 3), (0, 2), (3,)])
def test_segment_with_experts_is_the_segmentation_and_what_it_was_made_of(available):
    network, image = small_cloe(branches=["content"]).eval(), volume()
    image[:, [m for m in range(4) if m not in available]] = NAN
    with torch.no_grad():
        parts = network.segment_with_experts(image)
        torch.testing.assert_close(parts["pred"], network(image), rtol=1e-3, atol=1e-3)
        expected = network.experts(image)
        torch.testing.assert_close(parts["experts"], expected["experts"])
        torch.testing.assert_close(parts["region"], expected["region"])
        torch.testing.assert_close(parts["weights"], network.train()(image)["weights"], rtol=1e-3, atol=1e-4)
    assert "content" not in parts
