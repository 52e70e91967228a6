import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor
from monai.handlers import IgniteMetricHandler, from_engine
from monai.metrics import DiceMetric
from scipy.ndimage import binary_erosion, distance_transform_edt

from shared.metrics import Hausdorff95Metric, OneEmptyMetric, hausdorff_95


def box(shape, *ranges):
    mask = torch.zeros(1, *shape, dtype=torch.bool)
    mask[(0, *(slice(*limits) for limits in ranges))] = True
    return mask


def by_scipy(prediction, target, spacing_mm):
    """The definition, written with SciPy: percentiles of the distances between surface voxels."""
    surfaces = [mask & ~binary_erosion(mask) for mask in (prediction, target)]
    to_surface = [distance_transform_edt(~surface, sampling=spacing_mm) for surface in surfaces]
    directed = [to_surface[1][surfaces[0]], to_surface[0][surfaces[1]]]
    return max(np.percentile(distances, 95) for distances in directed)


def test_two_points_three_voxels_of_two_millimetres_apart():
    prediction, target = box((12, 9), (2, 3), (4, 5)), box((12, 9), (5, 6), (4, 5))
    assert hausdorff_95(prediction, target, (2.0, 0.5)).tolist() == [6.0]


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (0.5, 0.8, 3.0)])
@pytest.mark.parametrize("seed", [0, 1])
def test_agrees_with_scipy(spacing_mm, seed):
    """Ragged shapes, one touching the image's border."""
    generator = torch.Generator().manual_seed(seed)
    masks = [box((20, 18, 11), (3, 14), (2, 12), (2, 8)), box((20, 18, 11), (6, 20), (4, 15), (0, 7))]
    prediction, target = (mask & (torch.rand(mask.shape, generator=generator) < 0.8) for mask in masks)
    distance = hausdorff_95(prediction, target, spacing_mm).item()
    assert distance == pytest.approx(by_scipy(prediction[0].numpy(), target[0].numpy(), spacing_mm), rel=1e-6)


def test_a_few_stray_voxels_do_not_count():
    """One voxel of 80 lies far off: below the 5 % that the percentile leaves out."""
    target = box((40, 12), (2, 12), (2, 10))
    prediction = target | box((40, 12), (39, 40), (11, 12))
    assert hausdorff_95(prediction, target, (1, 1)).item() == 0


def test_empty_regions():
    empty, full = torch.zeros(1, 240, 240, 155, dtype=torch.bool), box((240, 240, 155), (9, 12), (9, 12), (9, 12))
    prediction, target = torch.cat([empty, full, empty, full]), torch.cat([empty, empty, full, full])
    expected = torch.tensor([0.0, 373.1287, 373.1287, 0.0])
    torch.testing.assert_close(hausdorff_95(prediction, target, (1, 1, 1)), expected)


def test_dice_of_empty_regions_is_monais_without_ignore_empty():
    empty, full = torch.zeros(1, 6, 6), torch.ones(1, 6, 6)
    prediction, target = torch.cat([empty, full, empty, full]), torch.cat([empty, empty, full, full])
    assert DiceMetric(ignore_empty=False)([prediction], [target]).tolist() == [[1.0, 0.0, 0.0, 1.0]]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_through_monais_handler(dtype):
    """Three cases on grids of their own; the voxel size is read from the label."""
    cases = []
    for depth, spacing in [(9, 1.0), (12, 2.0), (7, 1.0)]:
        affine = torch.diag(torch.tensor([spacing, 1.0, 1.0, 1.0]))
        label = torch.cat([box((16, 10, depth), (4, 9), (2, 7), (2, 5)), box((16, 10, depth), (5, 6), (3, 4), (3, 4))])
        pred = torch.cat([label[:1].roll(2, dims=1), label[1:] & (spacing != 2.0)])
        cases.append({"pred": MetaTensor(pred.to(dtype)), "label": MetaTensor(label.to(dtype), affine=affine)})
    evaluator = Engine(lambda engine, batch: batch)
    for name, metric in {"hausdorff_95": Hausdorff95Metric(), "one_empty": OneEmptyMetric()}.items():
        IgniteMetricHandler(metric, output_transform=from_engine(["pred", "label"])).attach(evaluator, name)
    evaluator.run([cases[:1], cases[1:]])
    diagonal = (32**2 + 10**2 + 12**2) ** 0.5
    expected = torch.tensor([[2.0, 0.0], [4.0, diagonal], [2.0, 0.0]])
    torch.testing.assert_close(evaluator.state.metric_details["hausdorff_95"], expected)
    assert evaluator.state.metrics["hausdorff_95"] == pytest.approx(expected.mean().item())
    assert evaluator.state.metric_details["one_empty"].tolist() == [[0, 0], [0, 1], [0, 0]]


def test_rejects_what_it_cannot_measure():
    mask = box((4, 4), (1, 2), (1, 2))
    with pytest.raises(ValueError, match=r"shapes differ: prediction \(1, 4, 3\), target \(1, 4, 4\)"):
        hausdorff_95(mask[:, :, :3], mask, (1, 1))
    with pytest.raises(ValueError, match=r"one number per axis \(2\), got \[1.0\]"):
        hausdorff_95(mask, mask, (1,))
    with pytest.raises(ValueError, match="target must be a MetaTensor"):
        Hausdorff95Metric()([mask], [mask])
