"""Axes, units and sizes in the header of an image."""

import nibabel
import numpy as np
import pytest
from random_volume import VOLUME

from shared.errors import InputError
from shared.transforms import LoadImageModalitiesd

AXES = {  # shape in the file: channels that are read
    (5, 4, 3, 1): 1,
    (5, 4, 3, 1, 1): 1,
    (5, 4, 3, 1, 2): 2,
    (5, 4, 3, 2, 1): 2,
    (5, 4, 3, 1, 2, 1): 2,
}


@pytest.mark.parametrize(("shape", "channels"), AXES.items())
def test_axes_of_one_after_the_third_are_dropped(tmp_path, write_nifti, shape, channels):
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    names = ["t1", "t2"][:channels]
    path = tmp_path / "a.nii.gz"
    image = nibabel.Nifti1Image(array, np.diag([20.0, 20, 20, 1]))
    image.header.set_intent("vector" if channels > 1 else "none")
    nibabel.save(image, path)
    loaded = LoadImageModalitiesd(names)({"image": str(path)})
    for channel, name in enumerate(names):
        np.testing.assert_array_equal(loaded[name][0], array.reshape(5, 4, 3, channels)[..., channel])
    if channels == 1:  # labels and masks too
        mask = LoadImageModalitiesd("t1", extra_keys=["label"])({"t1": str(path), "label": str(path)})["label"]
        assert mask.shape == (1, 5, 4, 3)


def test_two_axes_after_the_third_and_slices_as_channels_are_refused(tmp_path, write_nifti):
    six = write_nifti(tmp_path / "six.nii.gz", np.zeros((5, 4, 3, 6, 2), np.float32))
    with pytest.raises(InputError, match=r"six.nii.gz: has shape 5 x 4 x 3 x 6 x 2, more than one axis after"):
        LoadImageModalitiesd("t1")({"t1": six})
    slices = write_nifti(tmp_path / "slices.nii.gz", VOLUME[:, :, None, :])
    for item in ({"t1": slices}, {"image": slices}):
        with pytest.raises(InputError, match=r"Its shape is 5 x 4 x 1 x 3: if these are slices, store them on"):
            LoadImageModalitiesd("t1")(item)


@pytest.mark.parametrize(("unit", "scale"), [("meter", 1e-3), ("mm", 1), ("micron", 1e3), ("unknown", 1)])
def test_the_unit_of_the_header_counts(tmp_path, oblique, unit, scale):
    scaled = np.diag([scale, scale, scale, 1]) @ np.diag([10, 10, 10, 1]) @ oblique
    image = nibabel.Nifti1Image(VOLUME, scaled)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "a.nii.gz")
    loaded = LoadImageModalitiesd("t1")({"t1": str(tmp_path / "a.nii.gz")})["t1"]
    np.testing.assert_allclose(loaded.affine, np.diag([10, 10, 10, 1]) @ oblique, rtol=1e-5)
    np.testing.assert_allclose(loaded.meta["original_affine"], loaded.affine)


@pytest.mark.parametrize(
    ("voxel_mm", "measures"), [(6.8, "34 x 27.2 x 20.4"), (300, "1500 x 1200 x 900"), (0, "0 x 0 x 0")]
)
def test_another_size_than_a_body_has_is_refused_with_its_numbers(tmp_path, voxel_mm, measures):
    """Centimetres, inches or voxels without a size, by a header that says nothing or millimetres."""
    path = tmp_path / "a.nii.gz"
    image = nibabel.Nifti1Image(VOLUME, np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0]) if voxel_mm else None)
    image.header["pixdim"][1:4] = voxel_mm
    nibabel.save(image, path)
    text = rf"a.nii.gz: measures {measures} mm by its header, .* should be 35 to 1000 mm; correct voxel size and unit"
    with pytest.raises(InputError, match=text if voxel_mm else "a.nii.gz"):
        LoadImageModalitiesd("t1")({"t1": str(path)})
    if voxel_mm:
        LoadImageModalitiesd("t1", extent_mm=(1, 2000))({"t1": str(path)})
