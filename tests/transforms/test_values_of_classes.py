"""The number of each class in a label of a convention, worked out by hand."""

import re

import pytest
import torch

from shared.errors import InputError
from shared.transforms import MapLabel, values_of_classes


@pytest.mark.parametrize(
    ("convention", "layout", "expected"),
    [
        (None, "brats2021", [0, 1, 2, 4]),
        (None, "msd", [0, 2, 1, 3]),
        ("brats_pediatric", "brats2023", [0, 2, 4, 1]),
        ({0: 0, 5: 1, 9: 2, "7": 3, 8: 1}, None, [0, 5, 9, 7]),
    ],
)
def test_values_are_those_that_the_reader_maps_to_the_classes(convention, layout, expected):
    assert values_of_classes(convention, layout) == expected
    classes = MapLabel(convention, layout)(torch.tensor(expected).view(1, 4, 1, 1))
    assert classes.flatten().tolist() == [0, 1, 2, 3]


def test_a_convention_without_one_of_the_classes_is_refused():
    message = "label convention brats_men_rt: no number means class 2"
    with pytest.raises(InputError, match=re.escape(message)):
        values_of_classes("brats_men_rt")


def test_painted_labels_have_no_class_for_a_resection_cavity():
    with pytest.raises(InputError, match="brats2024_cavity: has classes above 3, which painted brains do not have"):
        values_of_classes("brats2024_cavity")
