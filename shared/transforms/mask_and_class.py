"""Turn the output of a network that finds one kind of object and classifies the image into mask and classes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import TransformBackends, convert_to_dst_type, convert_to_tensor
from torch import Tensor

from .at_temperature import at_temperature

__all__ = ["MaskAndClassd"]


class MaskAndClassd(MapTransform):
    """Replace logits of mask and classes by a mask; add its uncertainty and the classes' probabilities.

    The logits (1 + K, *spatial) of one case, those of the K classes constant over space (resampling and stitched
    windows may make them differ), become

    - a mask (1, *spatial), uint8: 1 where the probability p is `threshold` or more;
    - the uncertainty (1, *spatial), float32, in [0, 0.5]: 1 - max(p, 1 - p);
    - the class probabilities (K,), float32: softmax of the class logits' mean over space.

    Mask and uncertainty keep the logits' affine and the trace of what was done to the image, for `Invertd`.

    Args:
        keys: the logits; one key.
        num_classes: K.
        threshold: least probability of the mask.
        uncertainty_key: where the uncertainty is put.
        class_key: where the class probabilities are put.
        probabilities: put those of background and mask, (2, *spatial), float16, under "probabilities", too.
        allow_missing_keys: skip absent keys instead of raising.
        temperature: the mask's logits are divided by it, which changes p but not on which side of 1/2 it is.
        class_temperature: the same for the classes' logits.
    """

    backend = [TransformBackends.TORCH]

    def __init__(
        self,
        keys: KeysCollection = "pred",
        num_classes: int = 3,
        threshold: float = 0.5,
        uncertainty_key: str = "uncertainty",
        class_key: str = "class_probabilities",
        probabilities: bool = False,
        allow_missing_keys: bool = False,
        temperature: float = 1.0,
        class_temperature: float = 1.0,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if len(self.keys) != 1:
            raise ValueError(f"keys must be one key, since there is one uncertainty_key; got {self.keys}.")
        if not 0 < threshold < 1:
            raise ValueError(f"threshold must be a probability between 0 and 1, got {threshold}.")
        self.num_classes = num_classes
        self.threshold = threshold
        self.uncertainty_key = uncertainty_key
        self.class_key = class_key
        self.probabilities = probabilities
        self.temperature = temperature
        self.class_temperature = class_temperature

    def __call__(self, data: Mapping[Hashable, Tensor]) -> dict[Hashable, Tensor]:
        segmented = dict(data)
        for key in self.key_iterator(segmented):
            logits = convert_to_tensor(segmented[key], track_meta=True)  # Invertd passes over plain tensors
            if logits.ndim < 2 or logits.shape[0] != 1 + self.num_classes:
                raise ValueError(
                    f"{key} must hold a mask and {self.num_classes} classes, ({1 + self.num_classes}, *spatial), "
                    f"got shape {tuple(logits.shape)}."
                )
            plain = logits.as_tensor().detach().float()
            parts = [(plain[:1], self.temperature), (plain[1:], self.class_temperature)]
            values = torch.cat([at_temperature(part, temperature) for part, temperature in parts])
            mask = values[:1].sigmoid() >= self.threshold
            uncertainty = (-values[:1].abs()).sigmoid()  # the smaller one of p and 1 - p
            class_logits = values[1:].flatten(1).mean(dim=1, dtype=torch.float64)
            segmented[key] = convert_to_dst_type(mask, logits, dtype=torch.uint8)[0]
            segmented[self.uncertainty_key] = convert_to_dst_type(uncertainty, logits, dtype=torch.float32)[0]
            if self.probabilities:
                both = torch.cat([-values[:1], values[:1]]).sigmoid()
                segmented["probabilities"] = convert_to_dst_type(both, logits, dtype=torch.float16)[0]
            segmented[self.class_key] = class_logits.softmax(dim=0).float()
        return segmented
