import nibabel
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from shared.errors import InputError
from shared.transforms import RequireSameGridd, grid_difference


def image(shape=(1, 5, 4, 3), affine=None, name=None):
    meta = {} if name is None else {"filename_or_obj": name}
    return MetaTensor(torch.zeros(shape), affine=np.eye(4) if affine is None else affine, meta=meta)


def turned(degrees):
    angle = np.deg2rad(degrees)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return affine


def moved(millimetres):
    affine = np.eye(4)
    affine[2, 3] = millimetres
    return affine


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (image(), ""),
        (image(shape=(4, 5, 4, 3)), ""),  # channels are no matter of the grid
        (image(affine=moved(0.0009)), ""),
        (image(affine=turned(0.05)), ""),
        (torch.zeros(1, 5, 4, 3), ""),
        (image(shape=(1, 5, 3, 4)), "shapes are 5 x 4 x 3 and 5 x 3 x 4"),
        (image(affine=np.diag([1, 1, 2.5, 1])), "spacings are 1 x 1 x 1 and 1 x 1 x 2.5 mm"),
        (image(affine=np.diag([1.0, 1, 1.0625, 1])), "spacings are 1 x 1 x 1 and 1 x 1 x 1.062 mm"),
        (image(affine=turned(1)), "the axes point in different directions, up to 1 degrees apart"),
        (image(affine=np.diag([-1, 1, 1, 1])), "the axes point in different directions, up to 180 degrees apart"),
        (image(affine=moved(-7)), "origins are (0, 0, 0) and (0, 0, -7) mm, a shift of (0, 0, -7) mm"),
    ],
)
def test_difference_in_words(other, text):
    assert grid_difference(image(), other) == text


@pytest.mark.parametrize("difference", [0.02, 0.3])
def test_what_differs_is_printed_however_far_from_the_origin(difference):
    first, second = moved(1066.5), moved(1066.5 + difference)
    text = grid_difference(image(affine=first), image(affine=second))
    written = text.removeprefix("origins are ").split(" mm, ")[0].split(" and ")
    assert written[0] != written[1]
    assert text.endswith(f"a shift of (0, 0, {difference}) mm")
    coarse = [image((1, 5, 4, 60), affine=np.diag([10, 10, 10 + more, 1])) for more in (0.0, difference)]
    assert grid_difference(*coarse) == f"spacings are 10 x 10 x 10 and 10 x 10 x {10 + difference:g} mm"


def test_what_float32_loses_is_no_difference():
    """Two micrometres at 200 mm; and a header written by way of its quaternion, which loses more than its sform."""
    assert grid_difference(image(affine=moved(200)), image(affine=moved(200.002))) == ""
    header = nibabel.Nifti1Header()
    affine = turned(33.3) @ np.diag([0.8, 0.9, 2.5, 1])
    affine[:3, 3] = [-123.4, 98.7, 456.7]
    header.set_qform(affine)
    pair = [image((1, 240, 240, 60), affine), image((1, 240, 240, 60), header.get_qform())]
    assert not np.array_equal(pair[0].affine, pair[1].affine)
    assert grid_difference(*pair) == ""


def test_a_label_of_another_shape_names_both_files():
    data = {"image": image((4, 5, 4, 3), name="a_t1.nii"), "label": image((1, 5, 4, 2), name="a_seg.nii")}
    with pytest.raises(
        InputError,
        match=r"a_seg.nii: the label is on another grid than a_t1.nii, shapes are 5 x 4 x 3 and 5 x 4 x 2; resample",
    ):
        RequireSameGridd()(data)


def test_a_mask_at_another_place_is_refused_without_a_label():
    with pytest.raises(InputError, match="brain: the brain is on another grid than image"):
        RequireSameGridd()({"image": image(), "brain": image(affine=moved(5))})


def test_changes_nothing():
    data = {"image": image(), "label": image(), "case": "x"}
    checked = RequireSameGridd()(data)
    assert checked == data
    assert checked["image"] is data["image"]
    unread = {"image": image(), "label": "a_seg.nii.gz"}
    assert RequireSameGridd()(unread) == unread
    assert RequireSameGridd()({"case": "x"}) == {"case": "x"}
