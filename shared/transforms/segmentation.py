"""Turn a network's logits into a label map and a map of how unsure it is."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import TransformBackends, convert_to_dst_type, convert_to_tensor

__all__ = ["SegmentationAndUncertaintyd"]


class SegmentationAndUncertaintyd(MapTransform):
    """Replace logits by the most probable class, and add 1 - its probability as the uncertainty.

    Logits (C, *spatial) become a label map (1, *spatial), uint8; the uncertainty (1, *spatial) is float32 in
    [0, 1 - 1/C]. Both keep the logits' affine and the trace of what was done to the image, so that `Invertd` can bring
    them to the image's own grid: two channels instead of C, nearest for the label map.

    Args:
        keys: the logits; one key.
        uncertainty_key: where the uncertainty is put.
        allow_missing_keys: skip absent keys instead of raising.
    """

    backend = [TransformBackends.TORCH]

    def __init__(
        self, keys: KeysCollection = "pred", uncertainty_key: str = "uncertainty", allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if len(self.keys) != 1:
            raise ValueError(f"keys must be one key, since there is one uncertainty_key; got {self.keys}.")
        self.uncertainty_key = uncertainty_key

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        segmented = dict(data)
        for key in self.key_iterator(segmented):
            logits = convert_to_tensor(segmented[key], track_meta=True)  # Invertd passes over plain tensors
            if logits.shape[0] < 2:
                raise ValueError(f"{key} must hold logits of at least two classes, got shape {tuple(logits.shape)}.")
            values = logits.as_tensor().detach().float()
            largest, classes = values.max(dim=0, keepdim=True)
            log_probability = largest - values.logsumexp(dim=0, keepdim=True)
            uncertainty = -torch.expm1(log_probability).clamp(max=0)
            segmented[key] = convert_to_dst_type(classes, logits, dtype=torch.uint8)[0]
            segmented[self.uncertainty_key] = convert_to_dst_type(uncertainty, logits, dtype=torch.float32)[0]
        return segmented
