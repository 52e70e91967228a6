"""The learned image of M3AE is found at the place of a crop or a window."""

import torch
from m3ae_written_out import image, small_m3ae
from monai.data import MetaTensor
from monai.inferers import SlidingWindowInferer
from monai.transforms import Compose, Flip, SpatialCrop

from shared.inferers import PositionedWindowInferer
from shared.networks import LearnedImage
from shared.transforms import NoteFramed


def test_values_between_voxels_are_interpolated_and_those_beyond_the_box_are_the_borders():
    """Three voxels of 2 mm along the first axis, values 0, 1, 2: voxel i of the image is i mm from the centre."""
    learned = LearnedImage(1, (6.0, 2.0, 2.0), (2.0, 2.0, 2.0))
    learned.values.copy_(torch.tensor([0.0, 1.0, 2.0]).view(1, 1, 3, 1, 1).expand(1, 1, 3, 2, 2))
    position = torch.tensor([[[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]])
    found = learned(position, [4, 2, 2])[0, 0, :, 0, 1]
    torch.testing.assert_close(found, torch.tensor([1.0, 1.5, 2.0, 2.0]))  # the border's value beyond the box
    turned = torch.tensor([[[0.0, 0, -1, 0], [0, 1, 0, 0], [1, 0, 0, 0]]])  # the last axis runs to the left
    torch.testing.assert_close(learned(turned, [2, 2, 3])[0, 0, 1, 0], torch.tensor([1.0, 0.5, 0.0]))


def oblique_case(size):
    """A case of 2 mm that is turned by 20 degrees in its affine."""
    turn = torch.tensor([[0.9397, -0.3420, 0.0], [0.3420, 0.9397, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    affine = torch.eye(4, dtype=torch.float64)
    affine[:3, :3], affine[:3, 3] = 2 * turn, torch.tensor([-31.0, 7.0, 100.0])
    return NoteFramed("image")({"image": MetaTensor(image(size=size)[0], affine=affine)})["image"]


@torch.no_grad()
def test_a_crop_of_a_case_finds_its_place_from_the_affine():
    """The learned image of a crop, flipped, is the crop, flipped, of the learned image of the case."""
    network, case = small_m3ae(), oblique_case((16, 24, 32))
    of_case = network.learned(case[None])[0].as_subclass(torch.Tensor)
    crop = Compose([SpatialCrop(roi_start=(0, 8, 8), roi_end=(16, 24, 24)), Flip(1)])(case)
    found = network.learned(crop[None])[0].as_subclass(torch.Tensor)
    torch.testing.assert_close(found, of_case[:, :, 8:24, 8:24].flip(2), atol=1e-4, rtol=0)
    middle = network.learned(image(size=(16, 24, 32)))[0]  # the plain tensor, on the grid of the box: 2 mm as well
    torch.testing.assert_close(of_case, middle, atol=1e-4, rtol=0)


@torch.no_grad()
def test_windows_of_a_case_find_their_place():
    """As crops of the case do; MONAI's inferer would take each window for the brain's middle."""
    network, case = small_m3ae().eval(), oblique_case((16, 16, 24))
    case[1] = torch.nan
    windows = [SpatialCrop(roi_start=(0, 0, start), roi_end=(16, 16, start + 16))(case)[None] for start in (0, 8)]
    first, second = (network(window).as_subclass(torch.Tensor) for window in windows)
    expected = torch.cat([first[..., :8], (first[..., 8:] + second[..., :8]) / 2, second[..., 8:]], dim=4)
    plain, settings = case.as_tensor()[None], {"roi_size": (16, 16, 16), "sw_batch_size": 2, "overlap": 0.5}
    found = PositionedWindowInferer(**settings)(plain, network)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    assert (found - SlidingWindowInferer(**settings)(plain, network)).abs().max() > 1e-2


def test_sliding_window_of_another_network_is_that_of_monai():
    case, settings = image(), {"roi_size": (8, 8, 8), "sw_batch_size": 2, "overlap": 0.5}
    ours, theirs = (inferer(**settings) for inferer in (PositionedWindowInferer, SlidingWindowInferer))
    assert torch.equal(ours(case, torch.nn.Softmax(dim=1)), theirs(case, torch.nn.Softmax(dim=1)))
