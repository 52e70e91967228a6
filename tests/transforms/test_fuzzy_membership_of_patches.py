"""A patch has the memberships of the whole image if it is cut with a margin."""

import pytest
import torch
from fuzzy_labels import CLASSES, memberships_by_scipy, memberships_of, random_label
from monai.data import MetaTensor
from monai.transforms import CenterSpatialCropd, Compose, Rotate, SpatialCropd

from shared.transforms import FuzzyMembership, FuzzyMembershipd


@pytest.mark.parametrize("radius", [1, 2])
@pytest.mark.parametrize("start", [(4, 5, 3), (0, 0, 0), (8, 3, 0)], ids=["inside", "corner", "edge"])
def test_patch_with_a_margin_is_exact(start, radius):
    """A margin wherever the image goes on; at the image's own border there is nothing to add."""
    size, label = (6, 7, 8), random_label((14, 15, 16))
    patch = tuple(slice(first, first + length) for first, length in zip(start, size))
    wide = tuple(slice(max(part.start - radius, 0), part.stop + radius) for part in patch)
    centre = tuple(slice(part.start - whole.start, part.stop - whole.start) for part, whole in zip(patch, wide))
    whole_image = memberships_of(label, radius=radius)[(slice(None), *patch)]
    assert torch.equal(memberships_of(label[wide], radius=radius)[(slice(None), *centre)], whole_image)
    narrow = memberships_of(label[patch], radius=radius)
    assert not torch.equal(narrow, whole_image)
    inside = (slice(None), *[slice(radius, -radius)] * 3)
    assert torch.equal(narrow[inside], whole_image[inside])


@pytest.mark.parametrize("radius", [1, 2])
def test_pipeline_with_a_margin_gives_the_memberships_of_the_whole_image(radius):
    label = MetaTensor(random_label((14, 15, 16)).unsqueeze(0))
    centre, size = (7, 7, 8), (6, 6, 8)
    pipeline = Compose(
        [
            SpatialCropd("label", roi_center=centre, roi_size=[length + 2 * radius for length in size]),
            FuzzyMembershipd("label", num_classes=CLASSES, radius=radius),
            CenterSpatialCropd(["label", "memberships"], roi_size=size),
        ]
    )
    whole = {"label": label, "memberships": FuzzyMembership(CLASSES, radius)(label)}
    expected = SpatialCropd(["label", "memberships"], roi_center=centre, roi_size=size)(whole)
    patch = pipeline({"label": label})
    assert torch.equal(patch["label"].as_tensor(), expected["label"].as_tensor())
    assert torch.equal(torch.as_tensor(patch["memberships"]), torch.as_tensor(expected["memberships"]))


@pytest.mark.parametrize("shape", [(20, 24), (12, 14, 10)], ids=["2d", "3d"])
def test_corners_filled_by_a_rotation_are_background(shape):
    """After a nearest-neighbour rotation the label is one again; rotated memberships would lose their sum."""
    label = torch.full((1, *shape), 2)
    turn = Rotate(0.6 if len(shape) == 2 else (0.6, 0.0, 0.0), keep_size=True, mode="nearest", padding_mode="zeros")
    turned = turn(label)
    memberships = torch.as_tensor(FuzzyMembership(CLASSES)(turned))
    expected = memberships_by_scipy(torch.as_tensor(turned)[0].long())
    torch.testing.assert_close(memberships.double(), expected, rtol=0, atol=1e-7)
    torch.testing.assert_close(memberships.sum(dim=0), torch.ones(shape), rtol=0, atol=1e-6)
    assert memberships.flatten(1).unique(dim=1).shape[1] > 3
    assert (memberships[0] == 1).any()
    rotated_memberships = turn(torch.as_tensor(FuzzyMembership(CLASSES)(label)), mode="bilinear")
    assert rotated_memberships.sum(dim=0).min() == 0
