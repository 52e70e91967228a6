"""A case that a program holds becomes the item of a bundle's list, or is refused with what the bundle takes."""

import pytest

from shared.errors import InputError
from shared.inferers.case_inputs import case_item

MRI = {"modalities": ("t2", "adc"), "bundle": "prostate"}
PICTURES = {"modalities": None, "bundle": "breast"}


def test_files_keep_their_own_name_and_a_given_name_replaces_it():
    assert case_item(None, {"t2": "a.nii.gz"}, None, **MRI) == {"t2": "a.nii.gz"}
    assert case_item(None, {"t2": "a.nii.gz"}, "b", **MRI) == {"t2": "a.nii.gz", "case": "b"}
    assert case_item("all.nii.gz", {}, None, **MRI) == {"image": "all.nii.gz"}
    assert case_item("a.png", {}, None, **PICTURES) == {"image": "a.png"}


def test_without_files_a_case_is_called_case():
    assert case_item(None, {}, None, **MRI) == {"case": "case"}


@pytest.mark.parametrize(
    ("image", "volumes", "of", "message"),
    [
        (None, {"adcs": "a.nii.gz"}, MRI, r"^adcs: no modality of prostate; did you mean adc\?"),
        (None, {"flair": "a.nii.gz"}, MRI, "^flair: no modality of prostate; known are t2, adc, image, brain"),
        (None, {}, PICTURES, "^breast: takes one picture"),
        ("a.png", {"t2": "a.nii.gz"}, PICTURES, "^breast: takes one picture"),
    ],
)
def test_other_inputs_are_refused(image, volumes, of, message):
    with pytest.raises(InputError, match=message):
        case_item(image, volumes, None, **of)
