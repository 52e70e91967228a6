"""Go from a network's channels to probabilities, and back to logits that mean the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..transforms import at_temperature, decision_offsets, state_log_probabilities

__all__ = ["ChannelGroups"]

SMALLEST = torch.finfo(torch.float32).tiny  # its logarithm is finite


class ChannelGroups:
    """Which channels of a network's output are the logits of one distribution.

    Probabilities can be averaged, logits cannot: the mean of logits is a geometric mean. So averages are taken of
    `probabilities`, and `logits` are what the transforms after the network expect.

    Args:
        groups: of successive channels: a number n of classes that exclude one another (softmax); 1 for one channel
            with a sigmoid; a table (S, L) of the valid states of L labels, see `label_states`. Channels after the last
            group are no logits.
        decision_weights: the outcomes of the first group are weighted by them later, (outcomes,); see
            `decision_offsets`. Temperatures are those of the weighted probabilities.

    Raises:
        ValueError: a table of states whose probabilities do not determine logits of the labels.
    """

    def __init__(self, groups: Sequence[Any], decision_weights: Sequence[float] | None = None) -> None:
        self.groups = [group if isinstance(group, int) else torch.as_tensor(group).float() for group in groups]
        self.channels = [group if isinstance(group, int) else group.shape[1] for group in self.groups]
        self.outcomes = [max(group, 2) if isinstance(group, int) else len(group) for group in self.groups]
        self.inverses = [None if isinstance(group, int) else _inverse(group) for group in self.groups]
        self.shift = None
        if decision_weights is not None:
            weights = torch.ones(1, sum(self.outcomes))
            weights[0, : self.outcomes[0]] = decision_offsets(decision_weights, self.outcomes[0]).exp()
            self.shift = self.logits(weights)[:, : self.channels[0]]

    def probabilities(self, output: Tensor) -> Tensor:
        """Return (B, outcomes of all groups + further channels, *spatial)."""
        *parts, rest = output.split([*self.channels, output.shape[1] - sum(self.channels)], dim=1)
        found = []
        for group, logits in zip(self.groups, parts, strict=True):
            if not isinstance(group, int):
                found.append(state_log_probabilities(logits, group.to(logits.device)).exp())
            else:
                found.append(torch.cat([-logits, logits], dim=1).sigmoid() if group == 1 else logits.softmax(dim=1))
        return _joined([*found, rest])

    def at_temperatures(self, output: Tensor, temperatures: Sequence[Any]) -> Tensor:
        """Return an output at one temperature per group; see `at_temperature`.

        Decision weights are put on before and taken off after: the highest of the weighted probabilities stays.
        """
        *parts, rest = output.split([*self.channels, output.shape[1] - sum(self.channels)], dim=1)
        shift = None if self.shift is None else self.shift.to(output).view(1, -1, *[1] * (output.ndim - 2))
        if shift is not None:
            parts[0] = parts[0] + shift
        scaled = [at_temperature(part, value, dim=1) for part, value in zip(parts, temperatures, strict=True)]
        if shift is not None:
            scaled[0] = scaled[0] - shift
        return _joined([*scaled, rest])

    def first(self, probabilities: Tensor) -> Tensor:
        """Return the probabilities of the first group, (B, outcomes, *spatial)."""
        return probabilities[:, : self.outcomes[0]]

    def logits(self, probabilities: Tensor) -> Tensor:
        """Return an output whose `probabilities` are these."""
        *parts, rest = probabilities.split([*self.outcomes, probabilities.shape[1] - sum(self.outcomes)], dim=1)
        found = []
        for group, inverse, part in zip(self.groups, self.inverses, parts, strict=True):
            logarithms = part.clamp_min(SMALLEST).log_()
            if inverse is not None:
                found.append(torch.einsum("ls,bs...->bl...", inverse.to(logarithms), logarithms))
            else:
                found.append(logarithms[:, 1:] - logarithms[:, :1] if group == 1 else logarithms)
        return _joined([*found, rest])


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """Join channels; where one part has them all, it is that part, without a copy."""
    parts = [part for part in parts if part.shape[1]]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def _inverse(states: Tensor) -> Tensor:
    """Return the matrix (L, S) from log-probabilities of the states to logits of the labels.

    The log-probability of a state is the sum of its labels' logits - c, one number c for all states.
    """
    equations = torch.cat([states, -torch.ones(len(states), 1)], dim=1).double()
    if torch.linalg.matrix_rank(equations) < len(states):
        raise ValueError(f"{len(states)} states of {states.shape[1]} labels: their mean has no logits; average none.")
    return torch.linalg.pinv(equations)[:-1].float()
