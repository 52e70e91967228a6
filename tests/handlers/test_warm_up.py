import pytest

from shared.errors import InputError
from shared.handlers import WarmUp


def test_the_weight_is_zero_for_so_many_epochs_and_one_from_then_on():
    assert [WarmUp(2)(epoch) for epoch in (1, 2, 3, 300)] == [0.0, 0.0, 1.0, 1.0]
    assert WarmUp(0)(1) == 1.0


@pytest.mark.parametrize("epochs", [-1, 2.5])
def test_other_than_a_number_of_epochs_is_refused(epochs):
    with pytest.raises(InputError, match="whole number of epochs, at least 0, not "):
        WarmUp(epochs)


def test_epochs_are_counted_from_one():
    with pytest.raises(ValueError, match="counted from 1"):
        WarmUp(1)(0)
