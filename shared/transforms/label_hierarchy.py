"""Labels that contain or exclude one another: which combinations are valid, and how probable each of them is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor

from ..errors import InputError

__all__ = ["decision_offsets", "label_states", "state_log_probabilities"]


def label_states(
    labels: Sequence[str] = ("stroma", "epithelium", "lumen"),
    implies: Sequence[Sequence[str]] = (("lumen", "epithelium"),),
    excludes: Sequence[Sequence[str]] = (("stroma", "epithelium"), ("stroma", "lumen")),
) -> Tensor:
    """List the valid states of a label hierarchy: the vectors S with V(S) = 1 in Eq. 7 of the gland paper.

    A pixel has at least one label, and may have several (BenTaieb and Hamarneh, "Uncertainty Driven Multi-Loss Fully
    Convolutional Networks for Histopathology", 2017). The default is its hierarchy: the lumen is within the
    epithelial border, stroma excludes both. A label map holds the number of every pixel's state.

    Args:
        labels: names, in the order of the network's channels.
        implies: pairs (inner, outer): where the first label is, the second is too.
        excludes: pairs that never occur together, in any order.

    Returns:
        (S, L) of 0 and 1, float32; sorted by the first label that is on, then by the number of labels.

    Raises:
        InputError: a pair names an unknown label, or the rules leave some label without a valid state.

    Example:
        >>> label_states()
        tensor([[1., 0., 0.],
                [0., 1., 0.],
                [0., 1., 1.]])
    """
    names = list(labels)
    if not names or len(set(names)) != len(names):
        raise InputError(f"labels of a hierarchy must be different names, got {names}.")
    for pair in (*implies, *excludes):
        if isinstance(pair, str) or len(pair) != 2 or not set(pair) <= set(names):
            raise InputError(f"label hierarchy: {pair} in implies or excludes is no pair of the labels {names}.")

    def valid(on: set[str]) -> bool:
        contained = all(outer in on for inner, outer in implies if inner in on)
        return contained and not any(one in on and other in on for one, other in excludes)

    numbers = range(len(names))
    subsets = (subset for size in range(1, len(names) + 1) for subset in combinations(numbers, size))
    states = [subset for subset in subsets if valid({names[number] for number in subset})]
    for number, name in enumerate(names):
        if not any(number in state for state in states):
            raise InputError(f"label hierarchy: implies and excludes leave no valid state with {name!r}.")
    states.sort(key=lambda state: (state[0], len(state), state))
    return torch.tensor([[float(number in state) for number in numbers] for state in states])


def state_log_probabilities(logits: Tensor, states: Tensor) -> Tensor:
    r"""Log-probability of every valid state at every pixel.

    .. math:: \log P_t(S) = f \cdot S - \log \sum_{S' : V(S') = 1} \exp(f \cdot S')

    Eq. 7 of the gland paper with its product read as prod_r exp(f_r S_r). As printed, prod_r exp(f_r) S_r, it is zero
    if any S_r is zero, so for every valid state of the gland hierarchy, and Z would be zero too. Values and gradients
    are finite for logits of any size.

    Args:
        logits: f, (B, L, *spatial).
        states: (S, L) of 0 and 1, from `label_states`.

    Returns:
        (B, S, *spatial), at least float32; the exponentials sum to one over S.

    Example:
        >>> state_log_probabilities(torch.tensor([[0.0, 1.0, 1.0]]), label_states()).exp()
        tensor([[0.0900, 0.2447, 0.6652]])
    """
    if logits.ndim < 2 or logits.shape[1] != states.shape[1]:
        raise ValueError(f"logits must be (B, {states.shape[1]}, *spatial), got {tuple(logits.shape)}.")
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    states = states.view(*states.shape, *[1] * (logits.ndim - 2))
    scores = (states * logits.unsqueeze(1)).sum(dim=2)  # no matrix product: autocast and TF32 would round it
    return scores.log_softmax(dim=1)


def decision_offsets(weights: Sequence[float] | None, num_states: int) -> Tensor:
    """Return what is added to the states' log-probabilities before the highest is shown, (S,): the logarithms.

    A state that the network underrates (a thin contour, say) gets more weight than the others and is shown more often.

    Args:
        weights: (S,), positive. None: all are equal.
        num_states: S.

    Raises:
        InputError: `weights` are not one positive number per state.
    """
    try:
        offsets = torch.zeros(num_states) if weights is None else torch.as_tensor(weights, dtype=torch.float32).log()
    except (TypeError, ValueError, RuntimeError):  # texts or nothing among the numbers
        offsets = torch.empty(0)
    if offsets.shape != (num_states,) or not offsets.isfinite().all():
        raise InputError(
            f"decision_weights must be {num_states} positive numbers, one per region, got {weights}; correct it."
        )
    return offsets
