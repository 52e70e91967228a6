import nibabel
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import LoadImage, Orientation

from shared.transforms import nifti_on_grid

SFORM = np.array([[-0.9, 0.1, 0.2, 40.0], [0.1, -1.1, 0.1, 30.0], [0.05, 0.1, 3.0, -20.0], [0, 0, 0, 1]])
QFORM = np.diag([-1.0, -1.0, 3.0, 1.0]) + np.array([[0, 0, 0, 7], [0, 0, 0, 8], [0, 0, 0, 9], [0, 0, 0, 0.0]])

QFORM_FIELDS = ("qform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")
SFORM_FIELDS = ("sform_code", "srow_x", "srow_y", "srow_z")


def write(path, codes, shape=(7, 6, 5)):
    """A file whose qform and sform differ; the sform does not fit the voxel size, so that MONAI reads the qform."""
    nifti = nibabel.Nifti1Image(np.ones(shape, np.float32), SFORM)
    nifti.set_qform(QFORM, code=codes[0])
    nifti.set_sform(SFORM, code=codes[1])
    nifti.header.set_xyzt_units("mm", "sec")
    nibabel.save(nifti, path)


def stored(path, codes, shape=(7, 6, 5)):
    write(path, codes, shape)
    image = LoadImage(ensure_channel_first=True)(path)
    nibabel.save(nifti_on_grid(torch.ones(1, *shape[:3]), image, np.uint8), path.with_name("result.nii.gz"))
    return nibabel.load(path).header, nibabel.load(path.with_name("result.nii.gz")).header


@pytest.mark.parametrize("codes", [(1, 2), (1, 0), (0, 2), (0, 0)])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_qform_and_sform_are_the_files_own(tmp_path, codes, suffix):
    source, result = stored(tmp_path / f"image{suffix}", codes)
    np.testing.assert_array_equal(result["pixdim"][:4], source["pixdim"][:4])
    for field in ("xyzt_units", *QFORM_FIELDS, *SFORM_FIELDS):
        np.testing.assert_array_equal(result[field], source[field], err_msg=field)
    assert result.get_data_dtype() == np.uint8


@pytest.mark.parametrize("suffix", [".NII.GZ", ".NII", ".Nii", ".nii.GZ"])
def test_the_header_of_a_file_with_a_suffix_in_capitals_is_copied(tmp_path, suffix):
    small = tmp_path / f"image{suffix.lower()}"
    write(small, (1, 2))
    image = LoadImage(ensure_channel_first=True)(small)
    image.meta["filename_or_obj"] = str(small.rename(tmp_path / f"IMAGE{suffix}"))
    result = nifti_on_grid(image, image, np.uint8).header
    np.testing.assert_allclose(result.get_sform(), SFORM, atol=1e-6)
    np.testing.assert_allclose(result.get_qform(), QFORM, atol=1e-6)


def test_volume_of_a_4d_file(tmp_path):
    source, result = stored(tmp_path / "image.nii.gz", (1, 2), shape=(7, 6, 5, 2))
    assert result.get_data_shape() == (7, 6, 5)
    np.testing.assert_array_equal(result.get_best_affine(), source.get_best_affine())


def test_image_that_left_its_files_grid_says_its_own_affine(tmp_path):
    write(tmp_path / "image.nii.gz", (1, 2))
    image = Orientation("RAS", labels=None)(LoadImage(ensure_channel_first=True)(tmp_path / "image.nii.gz"))
    header = nifti_on_grid(image, image, np.float32).header
    np.testing.assert_allclose(header.get_sform(), image.affine, atol=1e-5)
    assert not np.allclose(image.affine, image.meta["original_affine"])


def test_image_that_was_cropped_says_its_own_affine(tmp_path):
    write(tmp_path / "image.nii.gz", (0, 0))
    image = LoadImage(ensure_channel_first=True)(tmp_path / "image.nii.gz")[:, :, :4]
    np.testing.assert_allclose(nifti_on_grid(image, image, np.float32).header.get_sform(), image.affine, atol=1e-5)


@pytest.mark.parametrize("meta", [{}, {"filename_or_obj": "scan.mha"}, {"filename_or_obj": "no_such_file.nii.gz"}])
def test_without_a_nifti_file_both_forms_say_the_affine(meta):
    rotation = np.array([[0.8, -0.6, 0, 1], [0.6, 0.8, 0, 2], [0, 0, 2.0, 3], [0, 0, 0, 1]])
    image = MetaTensor(torch.ones(1, 4, 4, 4), affine=rotation, meta=meta)
    header = nifti_on_grid(image, image, np.uint8).header
    for form, code in (header.get_qform(coded=True), header.get_sform(coded=True)):
        np.testing.assert_allclose(form, rotation, atol=1e-6)
        assert code == 1
