"""Confusion matrix, precision, recall, F1 and ROC of a classification."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from monai.metrics import compute_roc_auc

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["class_scores", "confusion_counts", "one_vs_rest_auc", "roc_points"]


def confusion_counts(true: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Count images: (K, K) with true classes as rows and predicted ones as columns."""
    counts = np.zeros((num_classes, num_classes), int)
    np.add.at(counts, (true, predicted), 1)
    return counts


def class_scores(counts: np.ndarray) -> DataFrame:
    """Score every class of a confusion matrix (K, K): a row per class with "precision", "recall" and "F1".

    A class that occurs but was never predicted has precision 0; a class that was predicted but does not occur has
    recall 0. So a mean over classes does not gain by leaving a class out. NaN for a class that neither occurs nor was
    predicted.
    """
    from pandas import DataFrame

    right, true, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    table = DataFrame({"precision": predicted, "recall": true, "F1": (true + predicted) / 2})
    return table.rdiv(right, axis=0).fillna(0).where(table["F1"] > 0)


def one_vs_rest_auc(true: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of every class against the others, (K,); NaN where one of the two does not occur.

    Args:
        true: (N,), classes.
        probabilities: (N, K).
    """
    areas = np.full(probabilities.shape[1], np.nan)
    for number, probability in enumerate(probabilities.T):
        of_class = true == number
        if of_class.any() and not of_class.all():
            areas[number] = compute_roc_auc(torch.as_tensor(probability), torch.as_tensor(of_class).double())
    return areas


def roc_points(of_class: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return false and true positive rates at every threshold, from (0, 0) to (1, 1).

    Args:
        of_class: (N,), whether an image is of the class; some are and some are not.
        probability: (N,), of the class.
    """
    thresholds, group = np.unique(-probability, return_inverse=True)  # images of one probability are called together
    rates = []
    for members in (~of_class, of_class):
        called = np.cumsum(np.bincount(group, weights=members, minlength=len(thresholds)))
        rates.append(np.concatenate([[0], called / called[-1]]))
    return rates[0], rates[1]
