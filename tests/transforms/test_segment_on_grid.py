import numpy as np
import pytest
import torch
from monai.data import MetaTensor, decollate_batch, list_data_collate
from monai.inferers import SlidingWindowInferer
from monai.transforms import Compose, CropForegroundd, Invertd, Orientationd, Spacingd, SpatialPadd
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from shared.transforms import SegmentOnGridd, logits_on_grid, segment_on_grid

MODULE = logits_on_grid.__globals__
OBLIQUE = torch.tensor([[0.0, 0.9, -0.1, 5.0], [-1.1, 0.0, 0.2, -7.0], [0.1, 0.2, 2.5, 3.0], [0.0, 0.0, 0.0, 1.0]])
TILTED = [[0.48, -0.1, 0.2, 31.0], [0.1, 0.49, 0.0, -12.0], [-0.05, 0.03, 2.0, 4.0], [0, 0, 0, 1]]  # not orthogonal
GRIDS = {
    "0.5 mm isotropic": (np.diag([0.5, 0.5, 0.5, 1.0]), (80, 72, 64)),
    "0.5 x 0.5 x 3 mm": (np.diag([-0.5, -0.5, 3.0, 1.0]), (80, 72, 12)),
    "1 x 1 x 5 mm": (np.diag([1.0, 1.0, 5.0, 1.0]), (40, 36, 8)),
    "oblique": (np.array(TILTED), (78, 72, 17)),
}
RADII_MM = {2: 13.0, 3: 9.0, 1: 5.5}  # the classes' outer borders: oedema, enhancing, necrosis
REGIONS = {"WT": (1, 2, 3), "TC": (1, 3), "ET": (3,), "NCR": (1,)}


def same_grid(logits):
    return SegmentOnGridd()({"pred": MetaTensor(logits), "image": MetaTensor(torch.zeros(1, *logits.shape[1:]))})


def test_three_voxels_by_hand():
    """p = (1/2, 1/4, 1/4), (1, 0, 0) and (1/3, 1/3, 1/3); the first of equal classes wins."""
    logits = torch.tensor([[0.25, 0.5, 0.25], [1e-30, 1.0, 1e-30], [1.0, 1.0, 1.0]]).log().T.reshape(3, 3, 1, 1)
    segmented = same_grid(logits)
    assert segmented["pred"].flatten().tolist() == [1, 1, 0]
    torch.testing.assert_close(segmented["uncertainty"].flatten().as_tensor(), torch.tensor([0.5, 0.0, 2 / 3]))
    assert (segmented["pred"].dtype, segmented["uncertainty"].dtype) == (torch.uint8, torch.float32)


@pytest.mark.parametrize("shape", [(3, 8, 7), (4, 6, 5, 4)])
def test_agrees_with_a_softmax(shape):
    logits = torch.randn(shape)
    segmented = same_grid(logits)
    probability, classes = logits.softmax(dim=0).max(dim=0, keepdim=True)
    assert torch.equal(segmented["pred"].as_tensor(), classes.byte())
    torch.testing.assert_close(segmented["uncertainty"].as_tensor(), 1 - probability)


def test_half_precision_logits_beyond_the_range_of_exp():
    logits = torch.tensor([60000.0, -60000.0], dtype=torch.half).reshape(2, 1, 1)
    assert same_grid(logits)["uncertainty"].item() == 0


def test_one_voxel_halved_by_hand():
    """Logits 0 and 3 on two voxels: a quarter of the way between them 0.75 and 2.25; as far outside 0 and 3."""
    logits, affine = torch.tensor([[[0.0, 0.0]], [[-1.0, 3.0]]]), torch.eye(3)
    fine = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.5, -0.25], [0.0, 0.0, 1.0]])
    classes, uncertainty = segment_on_grid(logits, affine, fine, (1, 4))
    assert classes.flatten().tolist() == [0, 0, 1, 1]
    expected = torch.tensor([-1.0, 0.0, 2.0, 3.0]).abs().neg().sigmoid()
    torch.testing.assert_close(uncertainty.flatten(), expected)


def image_of(preprocessing, affine=OBLIQUE, shape=(14, 12, 9)):
    image = torch.zeros(1, *shape)
    image[:, 3:11, 2:10, 2:8] = 1 + torch.rand(8, 8, 6)
    return preprocessing({"image": MetaTensor(image, affine=affine)}), image


def segment(prepared, logits, preprocessing):
    """As the bundles do it."""
    data = {**prepared, "pred": MetaTensor(logits, affine=prepared["image"].affine)}
    return SegmentOnGridd()(Invertd("image", preprocessing, nearest_interp=False)(data))


@pytest.mark.parametrize("axcodes", ["RAS", "LPS", "SRA", "AIL"])
@pytest.mark.parametrize("padded", [False, True])
def test_without_resampling_the_result_is_monais_inverse_of_the_argmax_bit_for_bit(axcodes, padded):
    """Cropped or padded, flipped and transposed."""
    size = SpatialPadd("image", (16, 7, 20)) if padded else CropForegroundd("image", "image")
    preprocessing = Compose([Orientationd("image", axcodes=axcodes, labels=None), size])
    prepared, original = image_of(preprocessing)
    logits = torch.randn(4, *prepared["image"].shape[1:])
    largest, classes = logits.max(dim=0, keepdim=True)
    expected = {**prepared, "pred": MetaTensor(classes.byte())}
    expected["uncertainty"] = MetaTensor(-torch.expm1(largest - logits.logsumexp(0, keepdim=True)).clamp(max=0))
    expected = Invertd(["pred", "uncertainty"], preprocessing, "image")(expected)
    segmented = segment(prepared, logits, preprocessing)
    assert expected["pred"].shape == original.shape
    for key in ("pred", "uncertainty"):
        assert torch.equal(segmented[key].as_tensor(), expected[key].as_tensor().to(segmented[key]))
        torch.testing.assert_close(segmented[key].affine.float(), OBLIQUE)


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


@pytest.mark.parametrize("spacing_mm", [(0.5, 0.6, 3.0), (1.7, 0.9, 1.0)])
def test_agrees_with_monais_inverse_of_the_logits(spacing_mm):
    """Without a crop, which MONAI's inverse would pad with logits of 0; turned about two axes."""
    turned = Rotation.from_euler("xyz", [20, -35, 0], degrees=True).as_matrix() * spacing_mm
    affine = np.block([[turned, np.array([[5.0], [-7.0], [3.0]])], [np.zeros((1, 3)), np.ones((1, 1))]])
    preprocessing = Compose([Orientationd("image", "RAS", labels=None), Spacingd("image", pixdim=(1, 1, 1))])
    prepared, _ = image_of(preprocessing, affine)
    logits = torch.randn(4, *prepared["image"].shape[1:])
    data = {**prepared, "pred": MetaTensor(logits)}
    inverse = Invertd("pred", preprocessing, "image", nearest_interp=False)(data)["pred"].as_tensor()
    segmented = segment(prepared, logits, preprocessing)
    torch.testing.assert_close(
        segmented["uncertainty"].as_tensor()[0], 1 - inverse.softmax(0).amax(0), atol=1e-4, rtol=0
    )
    assert (segmented["pred"].as_tensor()[0] == inverse.argmax(0)).float().mean() > 0.999


def test_infinite_logits_give_numbers():
    logits = torch.tensor([[0.0, float("-inf"), 0.0], [float("-inf"), 0.0, float("-inf")]])[:, None]
    fine = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.4, 0.0], [0.0, 0.0, 1.0]])
    classes, uncertainty = segment_on_grid(logits, torch.eye(3), fine, (1, 6))
    assert classes.flatten().tolist() == [0, 0, 1, 1, 0, 0]
    assert uncertainty.isfinite().all()


class LargestTensor(TorchDispatchMode):
    """Notes the largest number of elements that an operation inside returns."""

    def __init__(self):
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        sizes = [leaf.untyped_storage().nbytes() // 4 for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        self.elements = max(self.elements, *sizes, 0)
        return result


def test_no_more_than_a_slab_of_all_channels_is_held(monkeypatch):
    """The fine grid has 64 times as many voxels as the logits; only two results of one channel are as large."""
    logits, shape, fine = torch.randn(6, 8, 8, 8), (32, 32, 32), torch.diag(torch.tensor([0.25, 0.25, 0.25, 1.0]))
    whole = segment_on_grid(logits, torch.eye(4), fine, shape)
    monkeypatch.setitem(MODULE, "SLAB", 2048)
    with LargestTensor() as largest:
        slabs = segment_on_grid(logits, torch.eye(4), fine, shape)
    assert largest.elements == 32**3
    assert torch.equal(whole[0], slabs[0])
    torch.testing.assert_close(whole[1], slabs[1])


def test_half_precision_around_it_changes_nothing():
    """Positions in bfloat16 would be off by voxels."""
    logits, fine = torch.randn(3, 40, 5, 5), torch.diag(torch.tensor([0.5, 0.5, 0.5, 1.0]))
    expected = segment_on_grid(logits, torch.eye(4), fine, (80, 10, 10))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = segment_on_grid(logits, torch.eye(4), fine, (80, 10, 10))
    for one, other in zip(expected, found, strict=True):
        assert torch.equal(one, other)


def test_grids_apart_from_each_other_give_background():
    far = torch.diag(torch.tensor([0.7, 0.7, 0.7, 1.0]))
    far[0, 3] = 500
    for affine in (far, far.round()):
        classes, uncertainty = segment_on_grid(torch.randn(3, 4, 4, 4), torch.eye(4), affine, (5, 6, 7))
        assert not classes.any()
        assert not uncertainty.any()
        assert classes.shape == (1, 5, 6, 7)


def test_a_turned_grid_gets_the_class_inside_the_logits_voxels_and_background_outside():
    """Logits of class 1 on 4 x 4 pixels, a grid turned by 45 degrees: |x + y| and |x - y| say what is inside."""
    logits, half = torch.stack([torch.zeros(4, 4), torch.ones(4, 4)]), 0.5**0.5
    turned = torch.tensor([[half, -half, 1.5], [half, half, 1.5 - 9 * 2 * half], [0, 0, 1]])
    classes, _ = segment_on_grid(logits, torch.eye(3), turned, (19, 19))
    x, y = torch.meshgrid(torch.arange(19) - 9.0, torch.arange(19) - 9.0, indexing="ij")
    expected = ((x - y).abs() * half < 2) & ((x + y).abs() * half < 2)
    assert torch.equal(classes[0], expected.byte())
    assert 0 < expected.sum() < 19**2


def test_a_sliding_window_hands_on_the_affine():
    """MONAI Deploy calls the inferer so: with a batch axis of its own making."""
    image = MetaTensor(torch.rand(1, 8, 8, 8), affine=OBLIQUE)
    logits = SlidingWindowInferer((4, 4, 4))(image[None], lambda window: torch.cat([window, 1 - window], dim=1))[0]
    segmented = SegmentOnGridd()({"pred": logits, "image": image})
    assert torch.equal(segmented["pred"].as_tensor(), (image < 0.5).byte().as_tensor())


def test_results_carry_the_grids_metadata_and_inputs_stay_as_they_were():
    grid = MetaTensor(torch.zeros(1, 4, 4), meta={"filename_or_obj": "P1.nii"})
    data = {"pred": MetaTensor(torch.randn(2, 4, 4)), "image": grid}
    before = data["pred"].clone()
    segmented = SegmentOnGridd()(data)
    assert torch.equal(data["pred"], before)
    assert set(data) == {"pred", "image"}
    assert segmented["uncertainty"].meta["filename_or_obj"] == "P1.nii"
    segmented["pred"].push_applied_operation({"class": "Flip"})
    assert data["pred"].applied_operations == grid.applied_operations == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"pred": MetaTensor(torch.zeros(1, 4, 4))},
            r"pred must hold logits of at least two classes, got shape \(1, 4",
        ),
        ({"pred": torch.zeros(2, 4, 4)}, "pred must be a MetaTensor, whose affine says where it is"),
        ({"image": torch.zeros(1, 4, 4)}, "image must be a MetaTensor"),
        ({"image": MetaTensor(torch.zeros(1, 4, 4, 4))}, r"the grid must have 2 axes as the logits have"),
    ],
)
def test_rejects_what_has_no_grid(change, message):
    data = {"pred": MetaTensor(torch.zeros(2, 4, 4)), "image": MetaTensor(torch.zeros(1, 4, 4))}
    with pytest.raises(ValueError, match=message):
        SegmentOnGridd()({**data, **change})


@pytest.mark.parametrize("flipped", [False, True])
def test_aligned_logits_are_segmented_slab_by_slab_with_the_same_numbers(monkeypatch, flipped):
    logits, grid = torch.randn(3, 7, 5, 4), torch.eye(4)
    if flipped:
        grid = torch.tensor([[0.0, -1, 0, 6], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    shape = (5, 7, 4) if flipped else (7, 5, 4)
    data = {"pred": MetaTensor(logits), "image": MetaTensor(torch.zeros(1, *shape), affine=grid)}
    whole = SegmentOnGridd(probabilities=True, temperature=1.5)(data)
    monkeypatch.setitem(MODULE, "SLAB", 40)  # two rows
    slabs = SegmentOnGridd(probabilities=True, temperature=1.5)(data)
    for key in ("pred", "uncertainty", "probabilities"):
        assert torch.equal(slabs[key].as_tensor(), whole[key].as_tensor())
    assert whole["uncertainty"].min() > 0, "every voxel is filled"


def test_logits_are_given_back_on_request_and_what_shares_their_memory_stays():
    with torch.no_grad():
        case = {"pred": MetaTensor(torch.randn(3, 5, 5, 5)), "image": MetaTensor(torch.zeros(1, 5, 5, 5))}
        item = decollate_batch(list_data_collate([case]))[0]
    logits, other = item["pred"], item["pred"][2:]
    expected, kept = SegmentOnGridd()(item), other.clone()
    found = SegmentOnGridd(free_logits=True)(item)
    for key in ("pred", "uncertainty"):
        assert torch.equal(found[key], expected[key])
    assert logits.shape == (0,)
    assert logits._base.numel() == 0
    assert torch.equal(other, kept)
