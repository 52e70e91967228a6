"""Heads with a skull, far from the atlas, and which checks can be switched off."""

import os
from itertools import pairwise
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy import ndimage

from shared.errors import InputError
from shared.phantoms import paint_case, upright_affine
from shared.transforms import PrepareBraind, in_brain
from shared.transforms.atlas_distance import atlas_distance
from shared.transforms.brain_checks import BRAIN_CHECKS, chosen_checks
from shared.transforms.skull_shell import Shells, darkest_shell

SIZE, EDGE = (68, 74, 62), 3.0
LAYERS_MM = (3.0, 7.0, 6.0)  # fluid, bone, scalp
BRIGHTNESS = {"t1": (0.3, 0.2, 1.2), "t2": (1.6, 0.25, 0.9), "flair": (0.3, 0.2, 0.9), "t1ce": (0.3, 0.2, 1.3)}


@pytest.fixture(scope="module")
def brains():
    return paint_case(0, size=SIZE, affine=upright_affine(SIZE, (EDGE,) * 3))


@pytest.fixture(scope="module")
def head_of_a_child(brains):
    """With its skull it has less than 2500 ml."""
    return tensor(with_skull(brains["t1"], BRIGHTNESS["t1"]), edge=2.7)


def with_skull(brain, layers, bone_is_air=False, seed=0):
    """Put fluid, bone and scalp around a brain; its mean is brightness 1."""
    inside = ndimage.binary_fill_holes(ndimage.binary_closing(brain > 0, iterations=2)) | (brain > 0)
    depth = ndimage.distance_transform_edt(~inside, sampling=EDGE)
    head, mean = brain.astype(float), brain[brain > 0].mean()
    grain = np.random.default_rng(seed).uniform(0.8, 1.2, brain.shape)
    edges = np.cumsum((0, *LAYERS_MM))
    for (low, high), level in zip(pairwise(edges), layers):
        layer = (depth > low) & (depth <= high)
        head[layer] = np.maximum(1, level * mean * grain[layer])
    if bone_is_air:
        head[(depth > edges[1]) & (depth <= edges[2])] = 0
    return head


def tensor(volume, edge=EDGE):
    affine = upright_affine(volume.shape, (edge,) * 3)
    return MetaTensor(torch.as_tensor(volume, dtype=torch.float32)[None], affine=affine)


@pytest.mark.parametrize(("name", "bone_is_air"), [("t1ce", False), ("t2", True), ("flair", False)])
def test_a_head_with_its_skull_is_refused_and_its_brain_is_not(brains, name, bone_is_air):
    head = with_skull(brains[name], BRIGHTNESS[name], bone_is_air)
    small = tensor(head, edge=2.7)  # the head of a child: its volume alone says nothing
    assert (head > 0).sum() * 2.7**3 / 1000 < 2500
    with pytest.raises(InputError, match=r"mm below the surface it is 0\.[0-5]\d times as bright as above and below"):
        in_brain(small)
    assert in_brain(small, checks=("air", "volume")).sum() == (head > 0).sum()
    assert in_brain(small, tensor(brains[name] > 0, 2.7)).sum() == (brains[name] > 0).sum()
    assert in_brain(tensor(brains[name])).sum() == (brains[name] > 0).sum()


def test_a_dark_shell_is_found_at_its_depth_and_with_its_brightness():
    """A ball of 54 mm: brightness 1, but 0.4 between 9 and 15 mm below the surface. The upper half has it as well."""
    axis = np.arange(-30, 31, 2.0)
    radius = np.sqrt(sum(part**2 for part in np.meshgrid(axis, axis, axis, indexing="ij")))
    ball = np.where(radius <= 54 / 2 + 3, 1.0, 0.0)
    ball[(radius < 21) & (radius >= 15)] = 0.4
    share, depth = darkest_shell(Shells(ball > 0, np.diag([2.0, 2, 2, 1])), ball)
    assert share == pytest.approx(0.4, abs=0.05)
    assert depth == pytest.approx(12, abs=2)
    for values in (np.where(ball > 0, 1.0, 0), np.where(ball > 0, radius, 0), np.where(ball > 0, 60 - radius, 0)):
        assert darkest_shell(Shells(ball > 0, np.diag([2.0, 2, 2, 1])), values)[0] == pytest.approx(1, abs=0.02)
    assert darkest_shell(Shells(ball > 9, np.eye(4)), ball) == (1.0, 0.0)


def test_air_of_another_value_changes_nothing(head_of_a_child):
    head = head_of_a_child[0].numpy()
    affine = upright_affine(SIZE, (EDGE,) * 3)
    lifted = darkest_shell(Shells(head > 0, affine), head - 400)
    assert lifted == pytest.approx(darkest_shell(Shells(head > 0, affine), head))


def box(sides_mm, edges=(1, 1, 1)):
    mask = np.zeros([int(side / edge) + 4 for side, edge in zip(sides_mm, edges)], dtype=bool)
    mask[tuple(slice(2, 2 + int(side / edge)) for side, edge in zip(sides_mm, edges))] = True
    return mask


def test_far_from_the_atlas_is_said_with_numbers():
    near = box((140, 170, 140))
    assert atlas_distance(np.diag([-1.0, -1, 1, 1]), near) == []
    thick = atlas_distance(np.diag([1.0, 1, 5, 1]), box((140, 170, 140), (1, 1, 5)))
    assert thick == ["voxels of 1 x 1 x 5 mm (3 at most)"]
    angle = np.radians(20)
    turned = np.eye(4)
    turned[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    assert atlas_distance(turned, near) == ["axes turned by 20 degrees (15 at most)"]
    assert atlas_distance(turned[[2, 0, 1, 3]], near) == ["axes turned by 20 degrees (15 at most)"]
    assert atlas_distance(np.eye(4), box((140, 170, 60))) == ["a brain of 140 x 170 x 60 mm (95 to 215 a side)"]


def test_the_atlas_is_a_warning_that_can_be_switched_off(brains, caplog):
    thick = MetaTensor(
        torch.as_tensor(brains["t1"], dtype=torch.float32)[None, :, :, ::2], affine=np.diag([3, 3, 6, 1])
    )
    prepared = PrepareBraind("t1", (6, 6, 6), checks={"atlas": False})({"image": thick})["image"]
    assert caplog.text == ""
    torch.testing.assert_close(PrepareBraind("t1", (6, 6, 6))({"image": thick})["image"], prepared)
    assert "is far from the 1 mm SRI24 atlas of the training images: voxels of 3 x 3 x 6 mm (3 at most)" in caplog.text


def test_every_check_has_a_name(brains, head_of_a_child):
    noisy = tensor(brains["t1"] + np.random.default_rng(0).integers(1, 9, SIZE))
    large = tensor(brains["t1"], edge=5.0)
    for image, off, text in (
        (noisy, ("air", "volume", "skull"), "where air is expected"),  # noise fills the box
        (large, ("volume",), "no brain is larger than 2500 ml"),
        (head_of_a_child, ("skull",), "as bone is"),
    ):
        with pytest.raises(InputError, match=text):
            in_brain(image, checks=chosen_checks(None))
        assert in_brain(image, checks=chosen_checks(dict.fromkeys(off, False))).any()
    assert BRAIN_CHECKS == ("air", "volume", "skull", "atlas")


def test_a_bundle_s_preprocessing_takes_the_checks(head_of_a_child):
    head = {"image": head_of_a_child}
    for options in ({}, {"resample_label": True}):
        head |= {"label": head_of_a_child * 0} if options else {}
        with pytest.raises(InputError, match="as bone is"):
            PrepareBraind("t1", (9, 9, 9), **options)(head)
        PrepareBraind("t1", (9, 9, 9), checks={"skull": False}, **options)(head)


def test_what_is_no_check():
    assert chosen_checks(None) == chosen_checks({}) == set(BRAIN_CHECKS)
    assert chosen_checks({"skull": False, "air": True}) == {"air", "volume", "atlas"}
    with pytest.raises(InputError, match="checks: there is no 'scull', only air, volume, skull, atlas"):
        chosen_checks({"scull": False})
    with pytest.raises(InputError, match="checks: skull is 'no', but True or False is expected"):
        chosen_checks({"skull": "no"})


@pytest.mark.skipif("SEGMENTATION_DATA" not in os.environ, reason="SEGMENTATION_DATA is not set")
def test_stripped_brains_of_patients_have_no_dark_shell_and_are_near_the_atlas():
    root = Path(os.environ["SEGMENTATION_DATA"])
    paths = sorted(root.glob("brats2018_2mm/*/*_[ft]*.nii.gz"))[::5]  # another modality of every patient
    if not paths:
        pytest.skip("brats2018_2mm is not there")
    for path in paths:
        image = nibabel.load(path)
        voxels = np.asarray(image.dataobj)
        assert darkest_shell(Shells(voxels != 0, np.asarray(image.affine)), voxels)[0] > 0.75, path
        assert atlas_distance(image.affine, voxels != 0) == [], path
