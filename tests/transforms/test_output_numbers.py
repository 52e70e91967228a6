import ast
import re

import pytest

from shared.errors import InputError
from shared.transforms import output_numbers
from shared.transforms.label_tables import LABEL_TABLES


def test_numbers_of_known_data_sets():
    assert output_numbers(None, 4) == [0, 1, 2, 3]
    assert output_numbers("brats2021", 4) == [0, 1, 2, 4]
    assert output_numbers("msd", 4) == [0, 2, 1, 3]
    assert output_numbers("brats2024_glioma", 4) == [0, 1, 2, 3], "the cavity is no background to write"
    assert output_numbers("prostate158", 3, table="prostate_zones") == [0, 2, 1]
    assert output_numbers({"1": 1, "2": 2, "3": 7}, 4) == [0, 1, 2, 7]


def test_reading_what_was_written_gives_the_classes_again():
    for name, mapping in LABEL_TABLES["brain_tumour"].mappings.items():
        if name in ("brats2013", "brats_pediatric", "brats_men_rt"):
            continue
        classes = list(range(1 + max(mapping.values())))
        assert [mapping[number] for number in output_numbers(name, len(classes))] == classes


def test_a_resection_cavity_is_written_as_4():
    assert output_numbers("brats2024_cavity", 5) == [0, 1, 2, 3, 4]
    assert output_numbers("brats2024_cavity", 4) == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["brats2013", "brats_pediatric"])
def test_following_the_advice_swaps_no_classes(name):
    with pytest.raises(InputError, match="choose one, as in") as error:
        output_numbers(name, 4)
    advice = ast.literal_eval(re.search(r'"(\{.*\})"', str(error.value))[1])
    mapping = LABEL_TABLES["brain_tumour"].mappings[name]
    assert [mapping[number] for number in output_numbers(advice, 4)] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("convention", "text"),
    [
        ("brats_pediatric", r'brats_pediatric has 2 and 3 for class 1; choose one, as in "{1: 2, 2: 4, 3: 1}"'),
        ("brats2013", r'brats2013 has 1 and 3 for class 1; choose one, as in "{1: 1, 2: 2, 3: 4}"'),
        ("brats_men_rt", "brats_men_rt has no number for class 2; give another convention, or numbers"),
        ("brats1999", "label convention 'brats1999' is unknown"),
        ({1: 1, 2: 2}, "expected a number up to 255 for each class from 1 to 3"),
        ({1: 1, 2: 2, 3: 300}, "expected a number up to 255"),
        ({1: 1, 2: 2, 3: 2}, "two classes have one number"),
        (4, "expected a number up to 255"),
    ],
)
def test_what_cannot_be_written_is_refused(convention, text):
    with pytest.raises(InputError, match=text):
        output_numbers(convention, 4)
