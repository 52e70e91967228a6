"""A case that a program holds becomes the item of a bundle's list, or is refused with what the bundle takes."""

import nibabel
import numpy as np
import pytest

from shared.errors import InputError
from shared.inferers.case_inputs import case_item
from shared.transforms.read_volume import VolumeReader

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


@pytest.mark.parametrize("unit", ["mm", "micron", "meter"])
@pytest.mark.parametrize("trailing", [(), (1,), (3,), (1, 3)])
def test_an_image_of_nibabel_is_read_like_its_file(tmp_path, unit, trailing):
    values = np.random.default_rng(0).normal(size=(12, 10, 8, *trailing)).astype(np.float32)
    mm = {"mm": 1, "micron": 1000, "meter": 0.001}[unit]
    image = nibabel.Nifti1Image(values, np.diag([6 * mm, 7 * mm, 8 * mm, 1]))
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "a.nii.gz")
    expected = VolumeReader((10, 1000))(tmp_path / "a.nii.gz")
    found = case_item(None, {"t2": image}, None, **MRI)["t2"]
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found.numpy(), expected.numpy())
    np.testing.assert_allclose(found.affine, expected.affine, rtol=1e-6)


def test_an_image_of_complex_numbers_is_refused_like_its_file():
    with pytest.raises(InputError, match=r"^image: holds complex64 values, but one number"):
        case_item(None, {"t2": nibabel.Nifti1Image(np.ones((4, 4, 4), np.complex64), np.eye(4))}, None, **MRI)
