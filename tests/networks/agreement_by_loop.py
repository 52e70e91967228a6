"""Agreement of experts as printed, one pair after the other, in double precision."""

import numpy as np


def cosine(first, second):
    """Eq. 2 in numbers of double precision."""
    first, second = (np.asarray(vector, dtype=np.float64).ravel() for vector in (first, second))
    return first @ second / (np.linalg.norm(first) * np.linalg.norm(second) + 1e-8)


def scores_by_loop(probabilities, available, region):
    """Eq. 6 for one sample: u and v of every available expert, (M, 2)."""
    there = [m for m in range(len(available)) if available[m]]
    scores = np.zeros((len(available), 2))
    for m in there:
        others = [k for k in there if k != m]
        for k in others:
            scores[m, 0] += cosine(probabilities[m], probabilities[k]) / len(others)
            scores[m, 1] += cosine(region * probabilities[m], region * probabilities[k]) / len(others)
    return scores


def closeness(scores):
    return -np.log(np.clip(1 - np.asarray(scores), 1e-4, None))
