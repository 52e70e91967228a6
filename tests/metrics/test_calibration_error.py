import pytest
import torch
from ignite.engine import Engine
from monai.handlers import IgniteMetricHandler, from_engine
from monai.metrics import CalibrationErrorMetric

from shared.metrics import ExpectedCalibrationErrorMetric, calibration_bins, expected_calibration_error


def predictions(number, seed=0):
    """Right in six of ten cases, whatever the confidence: too low in some bins, too high in others."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, number, generator=generator), (torch.rand(1, number, generator=generator) < 0.6).float()


def test_two_bins_by_hand():
    """Bin (0, 1/2]: |1/1 - 0.4|, one prediction; bin (1/2, 1]: |2/3 - 0.8|, three predictions."""
    confidence, correct = torch.tensor([[0.4, 0.7, 0.8, 0.9]]), torch.tensor([[1, 1, 0, 1]])
    expected = 1 / 4 * 0.6 + 3 / 4 * (0.8 - 2 / 3)
    assert expected_calibration_error(confidence, correct, num_bins=2).item() == pytest.approx(expected, rel=1e-6)


def test_bins_by_hand():
    """Number, sum of confidences, number of right ones; a bin holds its upper edge, and the first one 0."""
    confidence, correct = torch.tensor([[0.0, 0.5, 0.75, 1.0]]), torch.tensor([[1, 1, 0, 1]])
    bins = calibration_bins(confidence, correct, num_bins=2)
    assert bins.tolist() == [[2, 0.5, 2], [2, 1.75, 1]]
    with pytest.raises(ValueError, match="shapes differ"):
        calibration_bins(confidence, correct[0])


@pytest.mark.parametrize("num_bins", [1, 15, 20])
def test_agrees_with_monai_on_few_predictions(num_bins):
    confidence, correct = predictions(2000)
    ours = ExpectedCalibrationErrorMetric(num_bins)([confidence], [correct])
    monai = CalibrationErrorMetric(num_bins, calibration_reduction="expected")([confidence], [correct])
    torch.testing.assert_close(ours.float(), monai, rtol=0, atol=1e-5)


def test_stays_right_at_the_size_of_a_brain():
    """1.5 million confidences in one bin, all right: the error is one minus their mean."""
    confidence = predictions(1_500_000)[0] * 0.01 + 0.975
    correct = torch.ones_like(confidence)
    truth = 1 - confidence.double().mean().item()
    assert expected_calibration_error(confidence, correct).item() == pytest.approx(truth, rel=1e-6)
    monai = CalibrationErrorMetric(calibration_reduction="expected")([confidence], [correct]).item()
    assert abs(monai - truth) > 0.3 * truth  # if this fails, MONAI adds in higher precision now and can serve instead


def test_overconfidence_is_an_error_certainty_that_is_right_is_none():
    certain = torch.ones(1, 10)
    assert expected_calibration_error(certain, torch.ones(1, 10)) == 0
    assert expected_calibration_error(certain, torch.zeros(1, 10)) == 1
    assert expected_calibration_error(torch.zeros(1, 10), torch.zeros(1, 10)) == 0


def test_cases_of_different_size_through_monais_handler():
    cases = [predictions(30, seed=1), predictions(50, seed=2), predictions(7, seed=3), predictions(0)]
    batches = [[dict(zip(("confidence", "correct"), case)) for case in pair] for pair in (cases[:2], cases[2:])]
    evaluator = Engine(lambda engine, batch: batch)
    IgniteMetricHandler(
        ExpectedCalibrationErrorMetric(), output_transform=from_engine(["confidence", "correct"])
    ).attach(evaluator, "ece")
    evaluator.run(batches)
    details = evaluator.state.metric_details["ece"]
    assert details.shape == (4, 1)
    assert details[3].isnan()  # no voxel, no error: left out of the mean
    expected = [expected_calibration_error(*case).item() for case in cases[:3]]
    assert details[:3, 0].tolist() == pytest.approx(expected)
    assert evaluator.state.metrics["ece"] == pytest.approx(sum(expected) / 3)


def test_rejects_bad_arguments():
    with pytest.raises(ValueError, match=r"shapes differ: confidence \(1, 3\), correct \(1, 4\)"):
        expected_calibration_error(torch.rand(1, 3), torch.ones(1, 4))
    with pytest.raises(ValueError, match="num_bins must be at least 1, got 0"):
        ExpectedCalibrationErrorMetric(0)
