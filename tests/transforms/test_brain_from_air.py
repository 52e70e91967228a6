import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from shared.errors import InputError
from shared.transforms import NormalizeInBrain, NoteBraind, StackModalitiesd, in_brain

SHAPE = (24, 28, 20)
NAMES = ["t1", "t2"]


def ball(fill=0.9):
    """A ball in the box; with 1 it touches the faces."""
    axes = [torch.linspace(-1, 1, size) for size in SHAPE]
    return sum(axis**2 for axis in torch.meshgrid(*axes, indexing="ij")) <= fill**2


def volume(name, brain, air=0.0, spacing=6.0, seed=0):
    """Tissue inside, air outside: a value, or a tensor."""
    tissue = 100 + 10 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))
    volume = torch.where(brain, tissue, torch.as_tensor(air, dtype=torch.float32))
    affine = np.diag([spacing, spacing, spacing, 1])
    return MetaTensor(volume[None], affine=affine, meta={"filename_or_obj": f"{name}.nii"})


def stack(**volumes):
    return StackModalitiesd(NAMES)(volumes)["image"]


def noise(level, share=1.0):
    random = torch.Generator().manual_seed(1)
    values = torch.randn(SHAPE, generator=random).abs() * level
    return torch.where(torch.rand(SHAPE, generator=random) < share, values, 0.0)


@pytest.mark.parametrize("fill", [0.7, 1.0, 1.2])
def test_a_brain_up_to_the_faces_of_its_box_is_found_exactly(fill, caplog):
    brain = ball(fill)
    assert torch.equal(in_brain(stack(t1=volume("t1", brain), t2=volume("t2", ball(0.5), seed=1)))[0], brain)
    assert caplog.text == ""


def test_a_slab_and_a_half_are_brains_too():
    brain = ball(1.0)
    image = stack(t1=volume("t1", brain))
    for part in (image[:, :, :, 8:12], image[:, 12:], image[:, 12:, 14:, 10:]):  # the last has a corner in the brain
        assert torch.equal(in_brain(part)[0], part[0] != 0)


@pytest.mark.parametrize("air", [-1.0, -4.2, 7.0])
def test_air_of_one_other_value_counts_as_air_with_a_word(air, caplog):
    brain = ball()
    image = stack(t1=volume("t1", brain), t2=volume("t2", brain, air, seed=1))
    assert torch.equal(in_brain(image)[0], brain)
    assert f"t2.nii (t2): air is {air:g} instead of 0; this value counts as air." in caplog.text
    reference = stack(t1=volume("t1", brain), t2=volume("t2", brain, seed=1))
    torch.testing.assert_close(NormalizeInBrain()(image).as_tensor(), NormalizeInBrain()(reference).as_tensor())
    assert torch.equal(NoteBraind()({"image": image})["brain"][0].bool(), brain)


@pytest.mark.parametrize(("level", "share"), [(1.0, 1.0), (1e-3, 1.0), (1.0, 0.6)])
def test_noise_is_refused_with_numbers_and_a_mask_helps(level, share):
    brain = ball()
    image = stack(t1=volume("t1", brain), t2=volume("t2", brain, noise(level, share), seed=1))
    text = r"t2.nii \(t2\): \d+% of the box differ from 0, also [5-8] of its 8 corners .* or give a brain mask"
    for step in (NormalizeInBrain(), lambda image: NoteBraind()({"image": image})):
        with pytest.raises(InputError, match=text):
            step(image)
    assert NormalizeInBrain()(image, brain[None])[1][~brain].abs().max() == 0


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2, 0.4])
def test_noise_of_which_most_was_rounded_to_zero_is_refused(share):
    image = stack(t1=volume("t1", ball(), noise(1.0, share)))
    with pytest.raises(InputError, match=r"single voxels, noise in the air|of its 8 corners"):
        in_brain(image)


def test_a_skull_that_was_not_removed_is_refused_by_its_volume():
    """A ball of 0.9 in a box of 24 x 28 x 20 voxels of 9 mm."""
    image = stack(t1=volume("t1", ball(), spacing=9))
    millilitres = float(ball().sum()) * 0.729
    assert millilitres > 2500
    with pytest.raises(InputError, match=rf"t1.nii \(t1\): {millilitres:.0f} ml \(33% of the box\) are not air, but"):
        in_brain(image)
    assert in_brain(image, ball(0.8)[None]).sum() == ball(0.8).sum()
    inverted = MetaTensor(~ball()[None], meta={"filename_or_obj": "mask.nii"})
    with pytest.raises(InputError, match=r"mask.nii: \d+ ml \(67% of the box\) .*; give a mask that is 1 in the brain"):
        in_brain(image, inverted)
