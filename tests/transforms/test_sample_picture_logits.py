import pytest
import torch

from shared.transforms import SamplePictureLogitsd, label_states, state_log_probabilities


def test_a_mask_has_two_outcomes_and_pixels_meet_their_labels():
    logit = torch.arange(12.0).view(1, 3, 4)
    data = {"case": "a", "pred": torch.cat([logit, torch.full((2, 3, 4), 5.0)]), "label": logit.long(), "class": 1}
    found = SamplePictureLogitsd(7, num_classes=2)(data)
    assert found["pred"].shape == (2, 7)
    assert not found["pred"][0].any()
    assert torch.equal(found["pred"][1].long(), found["label"])
    assert found["class_logits"].tolist() == [5, 5]
    assert found["image_class"] == 1
    again = SamplePictureLogitsd(7, num_classes=2)(data)
    assert torch.equal(again["label"], found["label"])


def test_states_have_the_probabilities_of_the_hierarchy():
    states = label_states()
    data = {"pred": torch.randn(5, 3, 4), "label": torch.zeros(1, 3, 4)}
    found = SamplePictureLogitsd(99, num_classes=2, states=states)(data)
    expected = state_log_probabilities(data["pred"][None, :3], states)[0].exp().flatten(1).sum(dim=1)
    torch.testing.assert_close(found["pred"].softmax(dim=0).sum(dim=1).float(), expected)
    assert "image_class" not in found


def test_other_channels_are_refused():
    with pytest.raises(ValueError, match=r"pred \(2, 3, 4\) must have 1 \+ 2 channels"):
        SamplePictureLogitsd(7, num_classes=2)({"pred": torch.zeros(2, 3, 4), "label": torch.zeros(1, 3, 4)})
