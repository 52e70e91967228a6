import pytest
import torch
from monai.data import MetaTensor, decollate_batch
from monai.transforms import Compose, Invertd, Resized

from shared.transforms import MaskAndClassd


def segment(logits, **options):
    return MaskAndClassd(**{"num_classes": 2, **options})({"pred": logits})


def test_four_pixels_by_hand():
    """Odds of the lesion: 3, 1, 1/4 and nearly none; a probability of one half belongs to the mask."""
    mask = torch.tensor([[3.0, 1.0], [0.25, 1e-30]]).log()[None]
    segmented = segment(MetaTensor(torch.cat([mask, torch.zeros(2, 2, 2)])))
    assert segmented["pred"].tolist() == [[[1, 1], [0, 0]]]
    expected = torch.tensor([[[0.25, 0.5], [0.2, 0.0]]])
    torch.testing.assert_close(segmented["uncertainty"].as_tensor(), expected)
    assert segmented["pred"].dtype == torch.uint8
    assert segmented["uncertainty"].dtype == torch.float32
    assert segmented["class_probabilities"].tolist() == [0.5, 0.5]


@pytest.mark.parametrize(("threshold", "expected"), [(0.1, [1, 1, 1, 0]), (0.6, [1, 0, 0, 0]), (0.8, [0, 0, 0, 0])])
def test_threshold_is_one_of_probabilities(threshold, expected):
    logits = torch.cat([torch.tensor([3.0, 1.0, 0.25, 1e-30]).log().reshape(1, 1, 4), torch.zeros(2, 1, 4)])
    segmented = segment(logits, threshold=threshold)
    assert segmented["pred"].flatten().tolist() == expected
    torch.testing.assert_close(segmented["uncertainty"].as_tensor(), segment(logits)["uncertainty"].as_tensor())


@pytest.mark.parametrize("shape", [(4, 6), (3, 4, 6)])
def test_class_is_the_softmax_of_the_mean_logit(shape):
    """Two windows, log 1 and log 9 against 0: the mean is log 3, so 1/4 and 3/4; mean of the probabilities: 0.3, 0.7.

    The first logit, of the mask, is no class.
    """
    logits = torch.zeros(3, *shape)
    logits[0] = 50
    logits[2, ..., 3:] = torch.tensor(9.0).log()
    segmented = segment(logits)
    torch.testing.assert_close(segmented["class_probabilities"], torch.tensor([0.25, 0.75]))
    assert type(segmented["class_probabilities"]) is torch.Tensor
    assert segmented["pred"].shape == segmented["uncertainty"].shape == (1, *shape)


def test_half_precision_logits_beyond_the_range_of_exp():
    logits = torch.tensor([60000.0, 60000, -60000]).half().reshape(3, 1, 1).expand(-1, 99, 99)
    segmented = segment(MetaTensor(logits))
    assert segmented["uncertainty"].max() == 0
    assert segmented["pred"].min() == 1
    assert segmented["class_probabilities"].tolist() == [1, 0]


def test_before_or_after_going_back_to_the_pictures_own_grid():
    """After Invertd the results lie on the picture's grid; before, Invertd takes mask and uncertainty along."""
    resize = Compose([Resized("image", (4, 4))])
    prepared = resize({"image": MetaTensor(torch.rand(3, 8, 12))})
    logits = torch.randn(3, 4, 4)
    logits[1:] = torch.tensor([0.0, 2.0])[:, None, None]
    prepared["pred"] = MetaTensor(logits, meta=prepared["image"].meta)
    prepared["pred"].applied_operations = prepared["image"].applied_operations
    back = Invertd("pred", resize, "image", nearest_interp=False)
    after = MaskAndClassd(num_classes=2)(back(prepared))
    assert after["pred"].shape == after["uncertainty"].shape == (1, 8, 12)
    back = Invertd(["pred", "uncertainty"], resize, "image", nearest_interp=[True, False])
    before = back(MaskAndClassd(num_classes=2)(prepared))
    assert before["pred"].shape == before["uncertainty"].shape == (1, 8, 12)
    torch.testing.assert_close(before["class_probabilities"], after["class_probabilities"])
    torch.testing.assert_close(after["class_probabilities"], torch.tensor([0.0, 2.0]).softmax(0))


def test_runs_on_decollated_cases_and_leaves_them_alone():
    batch = {"pred": MetaTensor(torch.randn(2, 3, 4, 4)), "case": ["a", "b"]}
    before = batch["pred"].clone()
    for case, logits in zip(decollate_batch(batch), before):
        segmented = MaskAndClassd(num_classes=2)(case)
        assert set(case) == {"pred", "case"}
        assert torch.equal(case["pred"], logits)
        assert segmented["case"] == case["case"]


def test_results_hold_no_graph():
    segmented = segment(torch.randn(3, 4, 4, requires_grad=True))
    assert not any(value.requires_grad for value in segmented.values())


@pytest.mark.parametrize("channels", [2, 4])
def test_rejects_other_numbers_of_channels(channels):
    with pytest.raises(ValueError, match=rf"a mask and 2 classes, \(3, \*spatial\), got shape \({channels}, 4, 4\)"):
        segment(torch.zeros(channels, 4, 4))


@pytest.mark.parametrize("threshold", [0, 1, 127])
def test_rejects_a_threshold_that_is_no_probability(threshold):
    with pytest.raises(ValueError, match="must be a probability between 0 and 1"):
        MaskAndClassd(threshold=threshold)


def test_temperatures_of_mask_and_class_by_hand():
    """Logit 2 log 3 at temperature 2 is 3/4; the class logits 0 and log 16 at temperature 4 are 1/3 and 2/3."""
    logits = torch.tensor([9.0, 1.0, 16.0]).log().view(3, 1, 1)
    options = {"num_classes": 2, "temperature": 2.0, "class_temperature": 4.0, "probabilities": True}
    found = MaskAndClassd("pred", **options)({"pred": logits})
    assert found["uncertainty"].item() == pytest.approx(1 / 4)
    assert found["probabilities"].flatten().tolist() == pytest.approx([1 / 4, 3 / 4], abs=1e-3)
    assert found["class_probabilities"].tolist() == pytest.approx([1 / 3, 2 / 3])
