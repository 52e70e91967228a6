"""Scores on predictions."""

from .calibration_error import ExpectedCalibrationErrorMetric, expected_calibration_error
from .hausdorff_95 import Hausdorff95Metric, OneEmptyMetric, hausdorff_95

__all__ = [
    "ExpectedCalibrationErrorMetric",
    "Hausdorff95Metric",
    "OneEmptyMetric",
    "expected_calibration_error",
    "hausdorff_95",
]
