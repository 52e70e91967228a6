"""Scores on predictions."""

from .calibration_error import (
    ExpectedCalibrationErrorMetric,
    calibration_bins,
    error_of_bins,
    expected_calibration_error,
)
from .class_scores import class_scores, confusion_counts, one_vs_rest_auc, roc_points
from .hausdorff_95 import Hausdorff95Metric, OneEmptyMetric, hausdorff_95
from .lesion_wise import dilated_lesion_scores, matched_lesion_scores
from .lesion_wise_metric import LesionWiseMetric
from .lesion_wise_scores import LesionScores, MatchedLesionScores
from .object_metrics import ObjectDiceMetric, object_dice, object_f1, object_hausdorff
from .object_sums import ObjectSums, object_sums
from .risk_coverage import risk_coverage
from .sensitivity_precision import SensitivityPrecisionMetric, sensitivity_precision
from .surface_dice import SurfaceDiceInMmMetric, surface_dice
from .temperature import fit_temperature, fit_temperatures, logits_at, mean_negative_log_likelihood

__all__ = [
    "ExpectedCalibrationErrorMetric",
    "Hausdorff95Metric",
    "LesionScores",
    "LesionWiseMetric",
    "MatchedLesionScores",
    "ObjectDiceMetric",
    "ObjectSums",
    "OneEmptyMetric",
    "SensitivityPrecisionMetric",
    "SurfaceDiceInMmMetric",
    "calibration_bins",
    "class_scores",
    "confusion_counts",
    "dilated_lesion_scores",
    "error_of_bins",
    "expected_calibration_error",
    "fit_temperature",
    "fit_temperatures",
    "hausdorff_95",
    "logits_at",
    "matched_lesion_scores",
    "mean_negative_log_likelihood",
    "object_dice",
    "object_f1",
    "object_hausdorff",
    "object_sums",
    "one_vs_rest_auc",
    "risk_coverage",
    "roc_points",
    "sensitivity_precision",
    "surface_dice",
]
