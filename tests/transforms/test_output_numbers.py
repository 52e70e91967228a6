import pytest

from shared.errors import InputError
from shared.transforms import output_numbers
from shared.transforms.label_conventions import LABEL_TABLES


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
        assert [mapping[number] for number in output_numbers(name, 4)] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("convention", "text"),
    [
        ("brats_pediatric", r"brats_pediatric has 2 and 3 for class 1; give numbers, such as \"{0: 0, 1: 1"),
        ("brats_men_rt", "brats_men_rt has no number for class 2"),
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
