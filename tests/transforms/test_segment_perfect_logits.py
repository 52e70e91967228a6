"""What a perfect network gives on a grid of 1 mm stays what it is on grids of other voxels."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, CropForegroundd, Orientationd, Spacingd
from moved_grids import segment
from scipy.ndimage import map_coordinates

TILTED = [[0.48, -0.1, 0.2, 31.0], [0.1, 0.49, 0.0, -12.0], [-0.05, 0.03, 2.0, 4.0], [0, 0, 0, 1]]  # not orthogonal
GRIDS = {
    "0.5 mm isotropic": (np.diag([0.5, 0.5, 0.5, 1.0]), (80, 72, 64)),
    "0.5 x 0.5 x 3 mm": (np.diag([-0.5, -0.5, 3.0, 1.0]), (80, 72, 12)),
    "1 x 1 x 5 mm": (np.diag([1.0, 1.0, 5.0, 1.0]), (40, 36, 8)),
    "oblique": (np.array(TILTED), (78, 72, 17)),
}
RADII_MM = {2: 13.0, 3: 9.0, 1: 5.5}  # the classes' outer borders: oedema, enhancing, necrosis
REGIONS = {"WT": (1, 2, 3), "TC": (1, 3), "ET": (3,), "NCR": (1,)}


def perfect_logits(affine, shape):
    """Log-probabilities of a network that knows the distance to every border, and the true classes."""
    centre = torch.tensor([*(torch.tensor(shape) / 2).tolist(), 1.0]).double()
    return lambda there, size: _shells(torch.as_tensor(there).double(), size, torch.as_tensor(affine).double() @ centre)


def _shells(affine, shape, centre):
    indices = torch.stack(torch.meshgrid(*(torch.arange(size).double() for size in shape), indexing="ij"))
    position = torch.einsum("ij,jxyz->ixyz", affine[:3, :3], indices) + (affine[:3, 3] - centre[:3]).view(3, 1, 1, 1)
    radius = (position / torch.tensor([1.0, 0.85, 0.75]).view(3, 1, 1, 1)).square().sum(0).sqrt()
    whole, core, necrosis = (torch.sigmoid(4 * (RADII_MM[value] - radius)) for value in (2, 3, 1))
    probabilities = torch.stack([1 - whole, necrosis, whole - core, core - necrosis]).clamp(min=1e-6)
    true = torch.zeros(shape, dtype=torch.uint8)
    for value, border in RADII_MM.items():
        true[radius < border] = value
    return probabilities.log().float(), true


def dices(found, true):
    masks = [
        (torch.isin(found, torch.tensor(values)), torch.isin(true, torch.tensor(values))) for values in REGIONS.values()
    ]
    return [2 * float((a & b).sum()) / float(a.sum() + b.sum()) for a, b in masks]


def on_the_working_grid(grid):
    """Orient, resample to 1 mm and crop; then the logits of the perfect network there."""
    affine, shape = GRIDS[grid]
    logits_on = perfect_logits(affine, shape)
    image = torch.zeros(1, *shape)
    image[(logits_on(affine, shape)[1] > 0)[None]] = 1
    preprocessing = Compose(
        [
            Orientationd("image", axcodes="RAS", labels=None),
            Spacingd("image", pixdim=(1, 1, 1)),
            CropForegroundd("image", "image", margin=2, allow_smaller=True),
        ]
    )
    prepared = preprocessing({"image": MetaTensor(image, affine=affine)})
    logits, _ = logits_on(prepared["image"].affine, prepared["image"].shape[1:])
    return preprocessing, prepared, logits, logits_on(affine, shape)[1]


@pytest.mark.parametrize("grid", GRIDS)
def test_result_keeps_what_a_perfect_network_gives(grid):
    preprocessing, prepared, logits, true = on_the_working_grid(grid)
    found = segment(prepared, logits, preprocessing)["pred"].as_tensor()[0]
    assert np.mean(dices(found, true)) > 0.99
    assert min(dices(found, true)) > 0.98


@pytest.mark.parametrize("grid", GRIDS)
def test_agrees_with_scipy(grid):
    preprocessing, prepared, logits, true = on_the_working_grid(grid)
    segmented = segment(prepared, logits, preprocessing)
    to_logits = np.linalg.inv(prepared["image"].affine.numpy()) @ GRIDS[grid][0]
    indices = np.indices(true.shape).reshape(3, -1)
    positions = to_logits[:3, :3] @ indices + to_logits[:3, 3:]
    sampled = np.stack([map_coordinates(channel.numpy(), positions, order=1, mode="nearest") for channel in logits])
    size = np.array(logits.shape[1:])[:, None]
    inside = ((positions > -0.499) & (positions < size - 0.501)).all(0)
    outside = ((positions < -0.501) | (positions > size - 0.499)).any(0)
    assert inside.any()
    assert outside.any()
    probability = torch.from_numpy(sampled).softmax(dim=0).numpy()
    clear = inside & (np.diff(np.sort(probability, axis=0)[-2:], axis=0)[0] > 1e-3)
    found, uncertainty = (segmented[key].numpy().ravel() for key in ("pred", "uncertainty"))
    assert (found[clear] == probability.argmax(0)[clear]).all()
    np.testing.assert_allclose(uncertainty[inside], 1 - probability.max(0)[inside], atol=2e-4)
    assert not found[outside].any()
    assert not uncertainty[outside].any()
