"""Turn the output of a network with a label hierarchy and a class head into regions, uncertainty and classes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import TransformBackends, convert_to_dst_type, convert_to_tensor
from torch import Tensor

from .at_temperature import at_temperature
from .label_hierarchy import decision_offsets, label_states, state_log_probabilities

__all__ = ["HierarchicalSegmentationd"]

BLOCK = 2**20  # pixels at a time, so that a large image needs little more memory than its results


class HierarchicalSegmentationd(MapTransform):
    """Replace logits of labels and classes by a map of states; add its uncertainty and the classes' probabilities.

    The logits (L + K, *spatial) of one case, those of the K classes constant over space (stitched windows differ in
    them), become

    - a map of states (1, *spatial), uint8: the number of the most probable valid state, so that no pixel breaks the
      hierarchy, whatever the network says; of equal ones the first. With `decision_weights` all probabilities here
      are those of the network times the state's weight, divided by their sum;
    - the uncertainty (1, *spatial), float32, in [0, 1 - 1/S]: 1 - the probability of that state;
    - the class probabilities (K,), float32: softmax of the class logits' mean over space.

    Map and uncertainty keep the logits' affine and the trace of what was done to the image, for `Invertd`.

    Args:
        keys: the logits; one key.
        num_classes: K.
        states: (S, L) of 0 and 1, a valid state per row; by default those of the gland hierarchy, see `label_states`.
        uncertainty_key: where the uncertainty is put.
        class_key: where the class probabilities are put.
        probabilities: put those of the states, (S, *spatial), float16, under "probabilities", too.
        allow_missing_keys: skip absent keys instead of raising.
        temperature: the states' scores are divided by it, which changes how certain a state is, but not which is shown.
        class_temperature: the same for the classes' logits.
        decision_weights: see `decision_offsets`.
    """

    backend = [TransformBackends.TORCH]

    def __init__(
        self,
        keys: KeysCollection = "pred",
        num_classes: int = 2,
        states: Tensor | Sequence[Sequence[int]] | None = None,
        uncertainty_key: str = "uncertainty",
        class_key: str = "class_probabilities",
        probabilities: bool = False,
        allow_missing_keys: bool = False,
        temperature: float = 1.0,
        class_temperature: float = 1.0,
        decision_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if len(self.keys) != 1:
            raise ValueError(f"keys must be one key, since there is one uncertainty_key; got {self.keys}.")
        self.num_classes = num_classes
        self.states = label_states() if states is None else torch.as_tensor(states).float()
        self.uncertainty_key = uncertainty_key
        self.class_key = class_key
        self.probabilities = probabilities
        self.temperature = temperature
        self.class_temperature = class_temperature
        self.offsets = decision_offsets(decision_weights, len(self.states))

    def __call__(self, data: Mapping[Hashable, Tensor]) -> dict[Hashable, Tensor]:
        segmented = dict(data)
        for key in self.key_iterator(segmented):
            logits = convert_to_tensor(segmented[key], track_meta=True)  # Invertd passes over plain tensors
            expected = self.states.shape[1] + self.num_classes
            if logits.ndim < 2 or logits.shape[0] != expected:
                raise ValueError(
                    f"{key} must hold {self.states.shape[1]} labels and {self.num_classes} classes, "
                    f"({expected}, *spatial), got shape {tuple(logits.shape)}."
                )
            values = logits.as_tensor().detach()
            regions, uncertainty, classes = self._segment(values)
            segmented[key] = convert_to_dst_type(regions, logits, dtype=torch.uint8)[0]
            segmented[self.uncertainty_key] = convert_to_dst_type(uncertainty, logits, dtype=torch.float32)[0]
            segmented[self.class_key] = classes
            if self.probabilities:
                of_states = self._log_probabilities(values[: self.states.shape[1]])
                segmented["probabilities"] = convert_to_dst_type(of_states.exp(), logits, dtype=torch.float16)[0]
        return segmented

    def _segment(self, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        num_labels = self.states.shape[1]
        regions = torch.empty(1, *logits.shape[1:], dtype=torch.uint8, device=logits.device)
        uncertainty = torch.empty(1, *logits.shape[1:], device=logits.device)
        class_logits = torch.zeros(self.num_classes, dtype=torch.float64, device=logits.device)
        rows = max(1, BLOCK // logits[0, 0].numel())
        for start in range(0, logits.shape[1], rows):
            block = logits[:, start : start + rows]
            log_probability, best = self._log_probabilities(block[:num_labels]).max(dim=0)
            regions[0, start : start + rows] = best
            uncertainty[0, start : start + rows] = torch.expm1(log_probability).clamp(max=0).abs()
            class_logits += block[num_labels:].flatten(1).sum(dim=1, dtype=torch.float64)
        class_logits = at_temperature(class_logits / logits[0].numel(), self.class_temperature)
        return regions, uncertainty, class_logits.softmax(dim=0).float()

    def _log_probabilities(self, labels: Tensor) -> Tensor:
        """Return those of the states, (S, *spatial), from the labels' logits (L, *spatial)."""
        scores = state_log_probabilities(labels[None], self.states.to(labels.device))[0]
        scores = scores + self.offsets.to(scores).view(-1, *[1] * (scores.ndim - 1))
        return at_temperature(scores, self.temperature).log_softmax(dim=0)
