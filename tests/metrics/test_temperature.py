import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from shared.metrics import (
    fit_temperature,
    fit_temperatures,
    logits_at,
    mean_negative_log_likelihood,
    risk_coverage,
)
from shared.transforms import at_temperature


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_labels_were_drawn_with_is_found(temperature):
    random = np.random.default_rng(0)
    logits = 3 * random.normal(size=(40000, 4))
    probabilities = np.exp(log_softmax(logits / temperature, axis=1))
    labels = (probabilities.cumsum(axis=1) < random.random((40000, 1))).sum(axis=1).clip(max=3)
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(temperature, rel=0.03)
    losses = [mean_negative_log_likelihood(logits, labels, found * factor) for factor in (0.9, 1, 1.1)]
    assert losses[1] < min(losses[0], losses[2])


def test_likelihood_by_hand():
    """Logits 0 and 2 log 3 at temperature 2 are 1/4 and 3/4."""
    logits = np.array([[0, 2 * np.log(3)], [0, 2 * np.log(3)]])
    expected = -(np.log(0.25) + np.log(0.75)) / 2
    assert mean_negative_log_likelihood(logits, np.array([0, 1]), 2.0) == pytest.approx(expected)


def test_the_most_certain_are_kept():
    """Four voxels; the two uncertain ones are wrong: one lesion missed, one invented."""
    uncertainty = np.array([0.1, 0.4, 0.0, 0.5])
    curve = risk_coverage(uncertainty, np.array([1, 0, 0, 2]), np.array([1, 2, 0, 0]), [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(curve[:, 0], [0, 0, 1 / 3, 1 / 2])
    np.testing.assert_allclose(curve[:, 1], [1, 1, 2 / 3, 1 / 2])


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"logits \(N, C\) and labels \(N,\) are needed, got \(3, 2\) and \(2,\)"):
        fit_temperature(np.zeros((3, 2)), np.zeros(2, dtype=int))


def test_one_temperature_per_class_is_found():
    random = np.random.default_rng(0)
    temperatures = np.array([0.7, 1.5, 3.0])
    logits = 2 * random.normal(size=(40000, 3))
    probabilities = np.exp(log_softmax(logits_at(logits, temperatures), axis=1))
    labels = (probabilities.cumsum(axis=1) < random.random((40000, 1))).sum(axis=1).clip(max=2)
    found = fit_temperatures(logits + 5, labels)
    np.testing.assert_allclose(found, temperatures, rtol=0.05)
    likelihoods = [
        mean_negative_log_likelihood(logits, labels, value) for value in (found, fit_temperature(logits, labels))
    ]
    assert likelihoods[0] < likelihoods[1]


def test_logits_of_a_table_are_scaled_as_those_of_an_image():
    logits = np.random.default_rng(0).normal(size=(5, 3))
    for temperature in (1.7, [0.5, 1.0, 2.0]):
        expected = at_temperature(torch.from_numpy(logits.T), temperature).T
        np.testing.assert_allclose(logits_at(logits, temperature), expected)
