import pytest

from shared.handlers.setting_ranges import CHOICES, RANGES, Range, nested_numbers, range_of


@pytest.mark.parametrize(
    ("limits", "inside", "outside", "text"),
    [
        (
            Range(low=1, whole=True),
            [1, 7, [1, 2]],
            [0, 1.0, True, "1", None, [], [1, 0]],
            "a whole number of at least 1",
        ),
        (Range(high=1), [0, 0.5, 1], [-0.1, 1.1, float("nan")], "a number from 0 to 1"),
        (Range(high=1, below=True), [0, 0.99], [1, 1.5], "a number of at least 0 and below 1"),
        (Range(above=True, optional=True), [0.1, None], [0, float("inf")], "a number above 0 (or '$None')"),
    ],
)
def test_ranges(limits, inside, outside, text):
    assert all(map(limits.holds, inside))
    assert not any(map(limits.holds, outside))
    assert str(limits) == text


def test_the_name_decides():
    assert range_of("val_interval") == range_of("checkpoint_interval") == RANGES["*_interval"]
    assert range_of("rho_learning_rate").holds(0)
    assert not range_of("learning_rate").holds(0)
    assert range_of("modalities") is None
    assert CHOICES["evaluate_part"] == ("train", "validation", "test")


def test_numbers_below_the_top_level_are_found_by_the_names_that_mean_one_thing():
    config = {"overlap": 2, "a": {"overlap": 1.5, "b": [{"batch_size": 0}, {"overlap": "@overlap", "scale": 9}]}}
    assert list(nested_numbers(config)) == [("a::overlap", 1.5), ("a::b::0::batch_size", 0)]
