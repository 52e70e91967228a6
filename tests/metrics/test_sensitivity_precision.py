import math

import pytest
import torch
from monai.data import MetaTensor
from pandas import DataFrame

from shared.metrics import SensitivityPrecisionMetric, sensitivity_precision
from shared.reports.lesion_scores import lesion_scores

DTYPES = [torch.uint8, torch.bool, torch.float32]


def squares(spatial_dims, dtype=torch.uint8):
    """A label of 4 voxels, and a prediction of 6 that has 3 of them."""
    size = (4, 5, 6)[:spatial_dims]
    label, prediction = (torch.zeros(1, math.prod(size), dtype=dtype) for _ in range(2))
    label[0, 2:6] = 1
    prediction[0, 3:9] = 1
    return prediction.view(1, *size), label.view(1, *size)


@pytest.mark.parametrize("spatial_dims", [2, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_three_of_four_voxels_among_six_found(spatial_dims, dtype):
    prediction, label = squares(spatial_dims, dtype)
    assert sensitivity_precision(prediction, label).tolist() == [[3 / 4, 3 / 6]]
    assert sensitivity_precision(label, prediction).tolist() == [[3 / 6, 3 / 4]]


def test_a_region_missed_scores_0_and_a_region_that_is_not_there_is_not_scored():
    """The rule of the lesions in ultrasound, below."""
    full, empty = torch.ones(1, 3, 3, 3), torch.zeros(1, 3, 3, 3)
    scores = sensitivity_precision(torch.cat([empty, full, empty]), torch.cat([full, empty, empty]))
    assert scores[0].tolist() == [0, 0]
    assert scores[1:].isnan().all()


def test_scores_are_those_of_the_breast_bundle():
    torch.manual_seed(0)
    prediction, label = (torch.rand(5, 7, 6) > share for share in (0.4, 0.7))
    prediction[1] = label[2] = prediction[3] = label[3] = False
    counts = {
        "true_pixels": label.flatten(1).sum(1).tolist(),
        "found_pixels": prediction.flatten(1).sum(1).tolist(),
        "common_pixels": (label & prediction).flatten(1).sum(1).tolist(),
    }
    expected = torch.tensor(lesion_scores(DataFrame(counts))[["sensitivity", "precision"]].to_numpy())
    torch.testing.assert_close(sensitivity_precision(prediction, label).double(), expected, equal_nan=True)


def test_counts_beyond_the_integers_of_float32_are_exact():
    """Of 2^24 + 20 voxels 3 belong to the label, 2 of them to a prediction of 4: no count of the others takes part."""
    prediction, label = (torch.zeros(1, 2**24 + 20, 1, 1, dtype=torch.uint8) for _ in range(2))
    label[0, :3] = prediction[0, 1:5] = 1
    assert sensitivity_precision(prediction, label).tolist() == [[pytest.approx(2 / 3), 2 / 4]]


def test_a_row_per_case_and_a_mean_over_the_cases_with_the_region():
    prediction, label = squares(3)
    metric, nothing = SensitivityPrecisionMetric(), torch.zeros_like(label)
    second_region = [(label, label), (nothing, label), (label, label)]
    for true, (also_found, also_true) in zip([label, prediction, nothing], second_region, strict=True):
        found = MetaTensor(torch.cat([prediction, also_found]))
        metric(y_pred=[found], y=[MetaTensor(torch.cat([true, also_true]))])
    nan = float("nan")
    rows = torch.tensor([[3 / 4, 1 / 2, 1, 1], [1, 1, 0, 0], [nan, nan, 1, 1]])
    torch.testing.assert_close(torch.as_tensor(metric.get_buffer()), rows, equal_nan=True)
    torch.testing.assert_close(metric.aggregate(), torch.tensor([7 / 8, 3 / 4, 2 / 3, 2 / 3]))


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"shapes differ: prediction \(1, 4\), target \(1, 5\)"):
        sensitivity_precision(torch.zeros(1, 4), torch.zeros(1, 5))
