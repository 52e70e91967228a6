"""Temperature scaling of a softmax, for one class or each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, logsumexp, softmax

__all__ = ["fit_temperature", "fit_temperatures", "logits_at", "mean_negative_log_likelihood"]

RANGE = (0.05, 20.0)


def logits_at(logits: np.ndarray, temperature: float | Sequence[float]) -> np.ndarray:
    """`shared.transforms.at_temperature` for a table of logits.

    Args:
        logits: (N, C).
        temperature: T, or one per class.
    """
    if np.ndim(temperature) == 0:
        return logits / temperature
    return log_softmax(logits, axis=1) / np.asarray(temperature, dtype=float)


def mean_negative_log_likelihood(logits: np.ndarray, labels: np.ndarray, temperature: float | Sequence[float]) -> float:
    """Mean of -log of the true class's probability under softmax(logits / temperature).

    Args:
        logits: (N, C).
        labels: (N,), true classes.
        temperature: T, or one per class; see `logits_at`.
    """
    scaled = logits_at(logits, temperature)
    return float((logsumexp(scaled, axis=1) - scaled[np.arange(len(labels)), labels]).mean())


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Find the temperature T under which softmax(logits / T) explains the labels best, from 0.05 to 20.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, Section 4.2: the negative log-likelihood, which
    is convex in 1/T, is least. Above 1 the network was too certain. The most probable class never changes.

    Args:
        logits: (N, C), of predictions that were not trained on.
        labels: (N,), true classes.
    """
    if logits.ndim != 2 or len(logits) != len(labels) or not len(labels):
        raise ValueError(f"logits (N, C) and labels (N,) are needed, got {logits.shape} and {labels.shape}.")
    logits = np.asarray(logits, dtype=np.float64)

    def loss(logarithm: float) -> float:
        return mean_negative_log_likelihood(logits, labels, float(np.exp(logarithm)))

    found = minimize_scalar(loss, bounds=tuple(np.log(RANGE)), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))


def fit_temperatures(logits: np.ndarray, labels: np.ndarray) -> list[float]:
    """Find one temperature per class, as `fit_temperature` finds one for all: vector scaling without its bias.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, Section 4.2. The logarithms of the probabilities
    are divided, see `logits_at`: the likelihood is convex in the 1/T. The most probable class may change.

    Args:
        logits: (N, C) of predictions that were not trained on.
        labels: (N,), true classes.
    """
    first = 1 / fit_temperature(logits, labels)
    logarithms = log_softmax(np.asarray(logits, dtype=np.float64), axis=1)
    onehot = np.arange(logits.shape[1]) == np.asarray(labels)[:, None]

    def loss(inverse: np.ndarray) -> tuple[float, np.ndarray]:
        scaled = logarithms * inverse
        slope = ((softmax(scaled, axis=1) - onehot) * logarithms).mean(axis=0)
        return float((logsumexp(scaled, axis=1) - scaled[onehot]).mean()), slope

    limits = [(1 / RANGE[1], 1 / RANGE[0])] * logits.shape[1]
    found = minimize(loss, np.full(logits.shape[1], first), jac=True, method="L-BFGS-B", bounds=limits)
    return [float(1 / inverse) for inverse in found.x]
