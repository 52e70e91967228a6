import pytest
import torch
from monai.data import MetaTensor
from monai.metrics import SurfaceDiceMetric

from shared.metrics import SurfaceDiceInMmMetric, surface_dice


def test_a_shift_is_forgiven_up_to_the_tolerance_in_mm():
    """A slab of 4 x 8 x 8 voxels moved by one voxel of 3 mm."""
    target = torch.zeros(1, 12, 12, 12)
    target[0, 4:8, 2:10, 2:10] = 1
    moved = target.roll(1, dims=1)
    assert float(surface_dice(moved, target, (3, 1, 1), 3.0)[0]) == 1
    assert float(surface_dice(moved, target, (3, 1, 1), 2.9)[0]) < 0.8
    assert float(surface_dice(moved, target, (1, 1, 1), 1.0)[0]) == 1


def test_empty_regions_are_defined():
    full, empty = torch.ones(1, 5, 5, 5), torch.zeros(1, 5, 5, 5)
    regions = torch.cat([empty, full, empty]), torch.cat([empty, empty, full])
    assert surface_dice(*regions, (1, 1, 1), 1.0).tolist() == [1, 0, 0]


def test_metric_is_monais_with_the_voxel_size_of_every_case():
    torch.manual_seed(0)
    pred, label = (torch.randn(2, 2, 9, 9, 9).abs() > 1 for _ in range(2))
    spacings = ([1.0, 2.0, 3.0], [0.5, 0.5, 4.0])
    metric = SurfaceDiceInMmMetric(tolerance_mm=1.0)
    for number, spacing in enumerate(spacings):
        affine = torch.diag(torch.tensor([*spacing, 1.0]))
        metric(y_pred=[MetaTensor(pred[number].float())], y=[MetaTensor(label[number].float(), affine=affine)])
    for number, spacing in enumerate(spacings):
        theirs = SurfaceDiceMetric([1.0, 1.0], include_background=True)
        theirs(y_pred=pred[number : number + 1].float(), y=label[number : number + 1].float(), spacing=spacing)
        torch.testing.assert_close(metric.get_buffer()[number], theirs.get_buffer()[0].float())


def test_a_tolerance_is_not_negative():
    with pytest.raises(ValueError, match="tolerance_mm must not be negative, got -1"):
        SurfaceDiceInMmMetric(-1)
