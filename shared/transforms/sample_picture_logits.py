"""Take logits and true classes at some pixels of an image, and those of the whole image."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.transforms import Transform
from monai.utils import convert_to_tensor
from torch import Tensor

from .label_hierarchy import decision_offsets

__all__ = ["SamplePictureLogitsd"]


class SamplePictureLogitsd(Transform):
    """Replace "pred" by logits (S, N) of what a pixel can be and "label" by classes (N,), at the same random pixels.

    Adds "class_logits" (K,), the mean over space of the logits of the image's classes, and, where the class is known,
    "image_class". Which pixels are drawn depends on the case's name only. `SampleLogitsd` is the same for volumes.

    Args:
        num_pixels: N; fewer where the image has fewer.
        num_classes: K.
        states: (S, L), what a pixel can be, for a network of L labels; see `label_states`. None for a mask: S is 2.
        class_key: number of the image's class.
        decision_weights: see `decision_offsets`.
    """

    def __init__(
        self,
        num_pixels: int,
        num_classes: int,
        states: Tensor | Sequence[Sequence[int]] | None = None,
        class_key: str = "class",
        decision_weights: Sequence[float] | None = None,
    ) -> None:
        if num_pixels < 1:
            raise ValueError(f"num_pixels must be at least 1, got {num_pixels}.")
        self.num_pixels = num_pixels
        self.num_classes = num_classes
        self.states = torch.tensor([[0.0], [1.0]]) if states is None else torch.as_tensor(states).float()
        self.class_key = class_key
        self.offsets = decision_offsets(decision_weights, len(self.states))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        logits, label = (convert_to_tensor(data[key], track_meta=False).cpu() for key in ("pred", "label"))
        labels = self.states.shape[1]
        if len(logits) != labels + self.num_classes or logits.shape[1:] != label.shape[1:]:
            raise ValueError(
                f"pred {tuple(logits.shape)} must have {labels} + {self.num_classes} channels and the size of label "
                f"{tuple(label.shape)}."
            )
        random = torch.Generator().manual_seed(zlib.crc32(str(data.get("case", "")).encode()))
        drawn = torch.randperm(label[0].numel(), generator=random)[: self.num_pixels]
        flat = logits.flatten(1).double()
        sampled = {
            "pred": self.states.double() @ flat[:labels, drawn] + self.offsets.double()[:, None],
            "label": label.flatten()[drawn].long(),
            "class_logits": flat[labels:].mean(dim=1),
        }
        if self.class_key in data:
            sampled["image_class"] = int(data[self.class_key])
        return {**data, **sampled}
