import pytest
import torch

from shared.errors import InputError
from shared.transforms import at_temperature

LOGITS = torch.tensor([1 / 2, 1 / 4, 1 / 4]).log().view(3, 1)


def test_one_temperature_by_hand():
    """p = (1/2, 1/4, 1/4) at temperature 1/2: squares, 1/4, 1/16, 1/16 in proportion."""
    torch.testing.assert_close(at_temperature(LOGITS, 0.5).softmax(dim=0)[:, 0], torch.tensor([4, 1, 1]) / 6)
    assert at_temperature(LOGITS, 1.0) is LOGITS


def test_one_temperature_per_class_by_hand():
    """At (1, 2, 2) the roots of the quarters: 1/2 each."""
    torch.testing.assert_close(at_temperature(LOGITS, [1, 2, 2]).softmax(dim=0)[:, 0], torch.full((3,), 1 / 3))


def test_with_one_temperature_per_class_what_is_added_to_all_logits_does_not_count():
    scaled = at_temperature(LOGITS + 7, [1, 2, 3])
    torch.testing.assert_close(scaled, at_temperature(LOGITS, [1, 2, 3]))


def test_other_numbers_of_temperatures_are_refused():
    with pytest.raises(InputError, match="temperature: 2 numbers do not fit 3 classes; give one per class"):
        at_temperature(LOGITS, [1, 2])
