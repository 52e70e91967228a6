import math
from types import SimpleNamespace

import pytest
import torch
from monai.data import MetaTensor
from monai.inferers import SimpleInferer, SlidingWindowInferer

from shared.errors import InputError
from shared.inferers import AveragedInferer, ChannelGroups
from shared.transforms import HierarchicalSegmentationd, SplitDisagreementd, label_states, state_log_probabilities

GLANDS = label_states(
    ["stroma", "epithelium", "lumen", "contour"],
    [["lumen", "epithelium"], ["contour", "epithelium"]],
    [["stroma", "epithelium"], ["stroma", "lumen"], ["stroma", "contour"], ["lumen", "contour"]],
)


def saying(*probabilities):
    """A network that gives every voxel these probabilities."""
    logits = torch.tensor(probabilities).log()

    def network(images):
        return logits.view(1, -1, 1, 1).expand(len(images), -1, *images.shape[2:])

    return network


def ramp(images):
    """A network whose lesion is likelier the further right a voxel is: 0, 1, 2, ... is its logit."""
    logit = torch.arange(images.shape[3]).float().expand(len(images), 1, *images.shape[2:])
    return torch.cat([torch.zeros_like(logit), logit], dim=1)


def ensemble_of(*networks):
    return SimpleNamespace(networks=networks)


def test_networks_are_averaged_as_probabilities_and_their_disagreement_is_appended():
    """0.1 and 0.5 give 0.3; the mean of logits would give 0.25."""
    members = ensemble_of(saying(0.9, 0.1), saying(0.5, 0.5))
    output = AveragedInferer(SimpleInferer(), [2], members, spatial_dims=2)(
        torch.zeros(1, 1, 2, 2), members.networks[0]
    )
    assert output.shape == (1, 3, 2, 2)
    assert output[0, :2, 0, 0].softmax(dim=0).tolist() == pytest.approx([0.7, 0.3])

    def entropy(p):
        return -p * math.log(p) - (1 - p) * math.log(1 - p)

    assert float(output[0, 2, 1, 1]) == pytest.approx(entropy(0.3) - (entropy(0.1) + entropy(0.5)) / 2, rel=1e-5)


def test_networks_that_say_the_same_do_not_disagree_however_uncertain():
    same = ensemble_of(*[saying(0.5, 0.3, 0.2)] * 3)
    opposed = ensemble_of(saying(1, 0, 0), saying(0, 1, 0), saying(0, 0, 1))
    for members, expected in ((same, 0), (opposed, math.log(3))):
        output = AveragedInferer(SimpleInferer(), [3], members, spatial_dims=2)(torch.zeros(1, 1, 1, 1), None)
        assert float(output[0, 3]) == pytest.approx(expected, abs=1e-6)


def test_mirrored_images_are_mirrored_back_before_the_mean():
    """At column c of three, the network says c and, of the mirrored image, 2 - c: the mean is symmetric."""
    inferer = AveragedInferer(SimpleInferer(), [2], tta_axes=[1], spatial_dims=2)
    lesion = inferer(torch.zeros(1, 1, 2, 3), ramp).softmax(dim=1)[0, 1, 0]
    first, middle, last = (1 / (1 + math.exp(-value)) for value in (0, 1, 2))
    assert lesion.tolist() == pytest.approx([(first + last) / 2, middle, (first + last) / 2])


@pytest.mark.parametrize("axes", [[0], [2], [0, 1, 2]])
def test_a_network_that_does_not_mind_mirrors_gives_what_it_gives_without(axes):
    torch.manual_seed(0)
    image, network = MetaTensor(torch.randn(1, 2, 9, 8, 7)), torch.nn.Conv3d(2, 4, 1)
    passes = []

    def counted(windows):
        passes.append(len(windows))
        return network(windows)

    window = SlidingWindowInferer((8, 8, 8), 1, 0.5)
    with torch.no_grad():
        found = AveragedInferer(window, [4], tta_axes=axes)(image, counted)
        mirrored, plain = len(passes), window(image, counted)
    assert isinstance(found, MetaTensor)
    torch.testing.assert_close(found.softmax(dim=1), plain.softmax(dim=1))
    assert mirrored == 2 ** len(axes) * (len(passes) - mirrored)


def test_one_network_without_axes_is_left_alone_bit_by_bit():
    image = torch.randn(1, 1, 3, 4)
    assert torch.equal(AveragedInferer(SimpleInferer(), [2], spatial_dims=2)(image, ramp), ramp(image))


@pytest.mark.parametrize("axes", [[3], [0, 0], [True], ["x"], -1])
def test_other_axes_are_refused(axes):
    with pytest.raises(InputError, match=r"--tta_axes: expected a list of different axes of \[0, 1, 2\], got"):
        AveragedInferer(SimpleInferer(), [2], tta_axes=axes)


@pytest.mark.parametrize("groups", [[4], [1, 3], [GLANDS, 2], [label_states(), 2]], ids=["softmax", "mask", "4", "3"])
def test_logits_of_probabilities_mean_the_same(groups):
    torch.manual_seed(0)
    links = ChannelGroups(groups)
    output = torch.randn(2, sum(links.channels) + 1, 3, 3) * 5
    probabilities = links.probabilities(output)
    torch.testing.assert_close(probabilities[:, : links.outcomes[0]].sum(dim=1), torch.ones(2, 3, 3))
    torch.testing.assert_close(links.probabilities(links.logits(probabilities)), probabilities, atol=1e-5, rtol=1e-4)
    assert torch.equal(probabilities[:, -1], output[:, -1])


def test_mean_of_gland_states_is_that_of_their_probabilities():
    torch.manual_seed(0)
    one, two = torch.randn(2, 1, 4, 5).unbind()
    links = ChannelGroups([GLANDS])
    mean = (links.probabilities(one) + links.probabilities(two)) / 2
    expected = (state_log_probabilities(one, GLANDS).exp() + state_log_probabilities(two, GLANDS).exp()) / 2
    torch.testing.assert_close(state_log_probabilities(links.logits(mean), GLANDS).exp(), expected)


def test_probability_zero_stays_finite():
    assert ChannelGroups([3]).logits(torch.tensor([[[1.0], [0.0], [0.0]]])).isfinite().all()


def test_states_that_no_logits_can_give_are_refused():
    with pytest.raises(ValueError, match="4 states of 2 labels: their mean has no logits"):
        ChannelGroups([torch.tensor([[0, 0], [1, 0], [0, 1], [1, 1]])])


def test_disagreement_is_taken_off_where_there_are_several_networks():
    pred = MetaTensor(torch.arange(12.0).reshape(3, 2, 2))
    split = SplitDisagreementd(num_networks=2)({"pred": pred})
    assert torch.equal(split["pred"].as_tensor(), pred[:2].as_tensor())
    assert torch.equal(split["disagreement"].as_tensor(), pred[2:].as_tensor())
    assert SplitDisagreementd(num_networks=1)({"pred": pred}) == {"pred": pred}


def test_every_network_has_its_own_temperature():
    """0.9 at temperature 1/2 is 81/82; 0.8 at temperature 2 is 2/3."""
    members = ensemble_of(saying(0.9, 0.1), saying(0.8, 0.2))
    inferer = AveragedInferer(SimpleInferer(), [2], members, spatial_dims=2, temperatures=[[0.5], [2.0]])
    output = inferer(torch.zeros(1, 1, 1, 1), None)
    assert float(output[0, :2, 0, 0].softmax(dim=0)[0]) == pytest.approx((81 / 82 + 2 / 3) / 2)


def test_temperatures_of_networks_are_those_of_the_probabilities_with_decision_weights():
    """1/2, 1/4, 1/4 times 1, 1, 4 are 2 : 1 : 4, at temperature 2 their roots; the weights are put on later."""
    members = ensemble_of(*[saying(0.5, 0.25, 0.25)] * 2)
    options = {"spatial_dims": 2, "temperatures": [[2.0]] * 2, "decision_weights": [1, 1, 4]}
    output = AveragedInferer(SimpleInferer(), [3], members, **options)(torch.zeros(1, 1, 1, 1), None)
    weighted = output[0, :3, 0, 0].exp() * torch.tensor([1.0, 1.0, 4.0])
    torch.testing.assert_close(weighted / weighted[1], torch.tensor([math.sqrt(2), 1.0, 2.0]))


def test_a_gland_network_twice_shows_what_it_shows_alone_at_any_temperature():
    logits, weights = 3 * torch.randn(1, 6, 9, 9, generator=torch.Generator().manual_seed(0)), [3, 1, 1, 4]
    members = ensemble_of(*[lambda images: logits] * 2)
    for temperature in (0.5, 1.0, 2.0):
        options = {"spatial_dims": 2, "temperatures": [[temperature, 1.0]] * 2, "decision_weights": weights}
        mean = AveragedInferer(SimpleInferer(), [GLANDS, 2], members, **options)(torch.zeros(1, 3, 9, 9), None)
        twice = HierarchicalSegmentationd("pred", 2, GLANDS, decision_weights=weights)({"pred": mean[0, :6]})
        alone = HierarchicalSegmentationd("pred", 2, GLANDS, temperature=temperature, decision_weights=weights)(
            {"pred": logits[0]}
        )
        assert torch.equal(twice["pred"], alone["pred"])
        torch.testing.assert_close(twice["uncertainty"], alone["uncertainty"])


def test_temperatures_are_those_of_groups_and_of_classes():
    """A mask's logit, two classes with a temperature each, and a channel that is no logit."""
    output = torch.tensor([6.0, math.log(0.25), math.log(0.75), 9.0]).view(1, 4, 1, 1)
    found = ChannelGroups([1, 2]).at_temperatures(output, [2.0, [1.0, 2.0]]).flatten()
    assert found.tolist() == pytest.approx([3, math.log(0.25), math.log(0.75) / 2, 9])
