"""What the losses on labels that contain or exclude one another have in common."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..transforms.label_hierarchy import label_states, state_log_probabilities

__all__ = ["HierarchyLoss", "label_states", "state_log_probabilities"]


class HierarchyLoss(nn.Module):
    """Base of the losses on logits of labels and a map of states; float32 under autocast as well.

    Subclasses define `of_states(logits, numbers)`: the loss of logits (B, L, *spatial), at least float32, for states
    with the numbers (B, *spatial), int64.

    Args:
        states: (S, L) of 0 and 1, a valid state per row; by default those of the gland hierarchy, see `label_states`.
    """

    def __init__(self, states: Tensor | Sequence[Sequence[int]] | None = None) -> None:
        super().__init__()
        states = label_states() if states is None else torch.as_tensor(states).float()
        if states.ndim != 2 or not ((states == 0) | (states == 1)).all() or len(states.unique(dim=0)) != len(states):
            raise ValueError(f"states must be different rows of 0 and 1, one per valid state, got {states.tolist()}.")
        self.register_buffer("states", states, persistent=False)

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Return the mean over pixels and batch, a scalar.

        Args:
            logits: (B, L, *spatial), one channel per label.
            label: (B, 1, *spatial), the number of every pixel's state, 0 to S - 1, in any type.

        Raises:
            InputError: the label map holds another value.
        """
        with torch.autocast(logits.device.type, enabled=False):
            logits = logits.as_subclass(Tensor).to(torch.promote_types(logits.dtype, torch.float32))
            return self.of_states(logits, self.state_numbers(logits, label))

    def of_states(self, logits: Tensor, numbers: Tensor) -> Tensor:
        """Return the loss, a scalar."""
        raise NotImplementedError

    def state_numbers(self, logits: Tensor, label: Tensor) -> Tensor:
        """Check the shapes of logits and label, and return the label's values (B, *spatial) as int64."""
        num_states, num_labels = self.states.shape
        if logits.ndim < 2 or logits.shape[1] != num_labels or label.shape != (len(logits), 1, *logits.shape[2:]):
            raise ValueError(
                f"logits must be (B, {num_labels}, *spatial) and label (B, 1, *spatial), "
                f"got {tuple(logits.shape)} and {tuple(label.shape)}."
            )
        values = label.as_subclass(Tensor).squeeze(1)
        numbers = values.long()
        known = (numbers == values) & (numbers >= 0) & (numbers < num_states)  # fractions and NaN are unknown too
        if not known.all():
            unknown = ", ".join(f"{value:g}" for value in values[~known].unique()[:5].tolist())
            raise InputError(
                f"label: values {unknown} are no states of the label hierarchy (0 to {num_states - 1}); "
                "map the label to states first."
            )
        return numbers

    def log_probability(self, logits: Tensor, numbers: Tensor) -> Tensor:
        """Return log P_t(S_p) of every pixel's own state, (B, *spatial)."""
        return state_log_probabilities(logits, self.states).gather(1, numbers.unsqueeze(1)).squeeze(1)
