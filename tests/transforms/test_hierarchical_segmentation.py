import itertools

import pytest
import torch
from monai.data import MetaTensor, decollate_batch
from monai.transforms import Compose, Flipd, Invertd

from shared.errors import InputError
from shared.transforms import HierarchicalSegmentationd, SamplePictureLogitsd, hierarchical_segmentation

LOG2 = 0.6931471805599453


def segment(logits, **options):
    return HierarchicalSegmentationd(**options)({"pred": logits})


def test_four_pixels_by_hand():
    """Stroma scores f_S, epithelium f_E, lumen f_E + f_U: powers of two 2 1 1, 0 1 2, 0 1000 0 and 0 0 0.

    Hence (1/2, 1/4, 1/4), (1/7, 2/7, 4/7), (0, 1, 0), and three equal ones, of which the first wins.
    """
    labels = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 1.0], [0.0, 1000.0, -1000.0], [0.0, 0.0, 0.0]]) * LOG2
    classes = torch.tensor([0.0, 0.0]).expand(4, 2)
    segmented = segment(MetaTensor(torch.cat([labels, classes], dim=1).T.reshape(5, 2, 2)))
    assert segmented["pred"].flatten().tolist() == [0, 2, 1, 0]
    expected = torch.tensor([1 / 2, 3 / 7, 0, 2 / 3])
    torch.testing.assert_close(segmented["uncertainty"].as_tensor().flatten(), expected)
    assert not segmented["uncertainty"].signbit().any()
    assert (segmented["pred"].shape, segmented["pred"].dtype) == ((1, 2, 2), torch.uint8)
    assert (segmented["uncertainty"].shape, segmented["uncertainty"].dtype) == ((1, 2, 2), torch.float32)


def test_class_is_the_softmax_of_the_mean_logit():
    """Two windows, log 1 and log 9 against 0: the mean is log 3, so 1/4 and 3/4; mean of the probabilities: 0.3, 0.7.

    The third logit, of the hierarchy's last label, is no class.
    """
    logits = torch.zeros(5, 4, 6)
    logits[2] = 50
    logits[4, :, 3:] = torch.tensor(9.0).log()
    probabilities = segment(logits)["class_probabilities"]
    torch.testing.assert_close(probabilities, torch.tensor([0.25, 0.75]))
    assert type(probabilities) is torch.Tensor


@pytest.mark.parametrize("shape", [(7, 9), (5, 6, 4)])
def test_agrees_with_all_eight_label_vectors(shape):
    """P(S) is proportional to exp(f . S) over those in which the lumen implies epithelium and stroma neither."""
    logits = 3 * torch.randn(3 + 4, *shape, dtype=torch.float64)
    segmented = segment(logits, num_classes=4)
    weights = {}
    for stroma, epithelium, lumen in itertools.product((0, 1), repeat=3):
        if stroma + epithelium + lumen and epithelium >= lumen and not (stroma and epithelium):
            weights[stroma, epithelium, lumen] = (stroma * logits[0] + epithelium * logits[1] + lumen * logits[2]).exp()
    assert len(weights) == 3
    total = sum(weights.values())
    for value, state in enumerate([(1, 0, 0), (0, 1, 0), (0, 1, 1)]):
        shown = segmented["pred"][0] == value
        assert shown.any()
        expected = 1 - weights[state] / total
        torch.testing.assert_close(segmented["uncertainty"][0].as_tensor()[shown], expected[shown].float())
    assert segmented["uncertainty"].max() <= 2 / 3
    means = logits[3:].flatten(1).mean(dim=1)
    torch.testing.assert_close(segmented["class_probabilities"], means.softmax(dim=0).float())


def test_four_labels_agree_with_all_sixteen_vectors():
    """Lumen and contour are inside epithelium and exclude each other: the table of a configuration with contours."""
    states = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 1, 0, 1]]
    logits = 3 * torch.randn(4 + 2, 7, 9, dtype=torch.float64)
    segmented = segment(logits, states=states)
    weights = {}
    for s, e, u, c in itertools.product((0, 1), repeat=4):
        if s + e + u + c and e >= u and e >= c and not (s and e) and not (u and c):
            weights[s, e, u, c] = (s * logits[0] + e * logits[1] + u * logits[2] + c * logits[3]).exp()
    assert len(weights) == 4
    probabilities = torch.stack([weights[tuple(state)] for state in states]) / sum(weights.values())
    assert torch.equal(segmented["pred"][0].long().as_tensor(), probabilities.argmax(dim=0))
    torch.testing.assert_close(segmented["uncertainty"][0].as_tensor(), (1 - probabilities.amax(dim=0)).float())


def test_other_hierarchy_as_a_configuration_writes_it():
    """Two labels that exclude nothing: neither is no state, both is the third."""
    logits = torch.tensor([[1.0, -1.0, 2.0], [-2.0, 3.0, 1.0], [0.0, 0.0, 0.0]]).reshape(3, 1, 3)
    segmented = segment(logits, num_classes=1, states=[[1, 0], [0, 1], [1, 1]])
    assert segmented["pred"].flatten().tolist() == [0, 1, 2]
    assert segmented["class_probabilities"].tolist() == [1]


def test_large_images_are_done_in_blocks_without_a_seam(monkeypatch):
    logits = torch.randn(5, 11, 6)
    whole = segment(logits)
    monkeypatch.setattr(hierarchical_segmentation, "BLOCK", 13)  # two rows at a time
    blocks = segment(logits)
    assert torch.equal(whole["pred"], blocks["pred"])
    for key in ("uncertainty", "class_probabilities"):
        torch.testing.assert_close(whole[key], blocks[key], rtol=0, atol=1e-6)


def test_half_precision_logits_beyond_the_range_of_exp():
    logits = torch.tensor([60000.0, -60000, 0, 60000, -60000], dtype=torch.half).reshape(5, 1, 1).expand(-1, 9, 9)
    segmented = segment(MetaTensor(logits))
    assert segmented["uncertainty"].max() == 0
    assert segmented["class_probabilities"].tolist() == [1, 0]


def test_invertd_brings_map_and_uncertainty_back():
    flip = Compose([Flipd("image", spatial_axis=1)])
    prepared = flip({"image": MetaTensor(torch.rand(3, 4, 5))})
    logits = torch.randn(5, 4, 5)
    prepared["pred"] = MetaTensor(logits.flip(2), meta=prepared["image"].meta)
    prepared["pred"].applied_operations = prepared["image"].applied_operations
    back = Invertd(["pred", "uncertainty"], flip, "image", nearest_interp=[True, False])(
        HierarchicalSegmentationd()(prepared)
    )
    expected = segment(logits)
    assert torch.equal(back["pred"].as_tensor(), expected["pred"].as_tensor())
    torch.testing.assert_close(back["uncertainty"].as_tensor(), expected["uncertainty"].as_tensor())


def test_runs_on_decollated_cases_and_leaves_them_alone():
    batch = {"pred": MetaTensor(torch.randn(2, 5, 4, 4)), "case": ["a", "b"]}
    before = batch["pred"].clone()
    for case, logits in zip(decollate_batch(batch), before):
        segmented = HierarchicalSegmentationd()(case)
        assert set(case) == {"pred", "case"}
        assert torch.equal(case["pred"], logits)
        assert segmented["case"] == case["case"]


def test_results_hold_no_graph():
    segmented = segment(torch.randn(5, 4, 4, requires_grad=True))
    assert not any(value.requires_grad for value in segmented.values())


@pytest.mark.parametrize("channels", [3, 4, 6])
def test_rejects_other_numbers_of_channels(channels):
    with pytest.raises(ValueError, match=rf"3 labels and 2 classes, \(5, \*spatial\), got shape \({channels}, 4, 4\)"):
        segment(torch.zeros(channels, 4, 4))


def test_temperatures_are_those_of_states_and_classes():
    logits = torch.randn(5, 4, 6)
    options = {"temperature": 2.0, "class_temperature": 3.0, "probabilities": True}
    found = HierarchicalSegmentationd("pred", **options)({"pred": logits})
    scaled = torch.cat([logits[:3] / 2, logits[3:] / 3])
    expected = HierarchicalSegmentationd("pred", probabilities=True)({"pred": scaled})
    for key in ("pred", "uncertainty", "probabilities", "class_probabilities"):
        torch.testing.assert_close(found[key], expected[key])
    assert torch.equal(found["pred"], HierarchicalSegmentationd("pred")({"pred": logits})["pred"])


def test_decision_weights_by_hand():
    """Probabilities 1/2, 1/4, 1/4 times 1, 1, 4 are 2 : 1 : 4, so that the third is shown, with 4/7."""
    logits = (torch.tensor([2.0, 1.0, 0.0, 0.0, 0.0]) * LOG2).view(5, 1, 1)
    segmented = segment(logits, decision_weights=[1, 1, 4], probabilities=True)
    assert segmented["pred"].item() == 2
    torch.testing.assert_close(segmented["uncertainty"].item(), 3 / 7)
    torch.testing.assert_close(segmented["probabilities"].flatten(), torch.tensor([2.0, 1.0, 4.0]).half() / 7)


def test_with_decision_weights_a_temperature_changes_no_region():
    logits = 3 * torch.randn(5, 9, 9)
    weights = [3, 1, 4]
    shown = [segment(logits, decision_weights=weights, temperature=t)["pred"] for t in (0.3, 1.0, 5.0)]
    assert torch.equal(shown[0], shown[1])
    assert torch.equal(shown[1], shown[2])
    assert not torch.equal(shown[1], segment(logits)["pred"])


def test_temperatures_are_fitted_to_the_probabilities_with_decision_weights():
    data = {"case": "a", "pred": 3 * torch.randn(5, 4, 5), "label": torch.arange(20).view(1, 4, 5)}
    weights = [3, 1, 4]
    found = SamplePictureLogitsd(20, 2, [[1, 0, 0], [0, 1, 0], [0, 1, 1]], decision_weights=weights)(data)
    saved = segment(data["pred"], decision_weights=weights, probabilities=True)["probabilities"].flatten(1)
    torch.testing.assert_close(found["pred"].softmax(dim=0).half(), saved[:, found["label"]])


@pytest.mark.parametrize("weights", [[1, 1], [1, 1, 0], [1, 1, -1], [1, "many", 1], [1, None, 1], 3])
def test_decision_weights_are_a_positive_number_per_state(weights):
    with pytest.raises(InputError, match="decision_weights must be 3 positive numbers, one per region"):
        HierarchicalSegmentationd(decision_weights=weights)
