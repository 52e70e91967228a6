"""Confidence and correctness of every voxel, for the calibration error."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import torch
from monai.transforms import Transform
from monai.utils import TransformBackends, convert_to_tensor

from .brain_mask import brain_of_normalized, in_brain

__all__ = ["CalibrationPairsd"]


class CalibrationPairsd(Transform):
    """Add the confidence and the correctness of the prediction at every voxel of the brain.

    Adds "confidence" = 1 - uncertainty and "correct" = (prediction equals label), both (1, N) float32, N voxels of the
    brain: air, which every model gets right, would hide the error. The brain is the mask where there is one
    (`NoteBraind`), else where any modality is non-zero, which a resampled image blurs. Runs after `Invertd` and
    `SegmentOnGridd`, and before classes become regions.

    Args:
        label_key: true classes, (1, *spatial).
        pred_key: predicted classes, (1, *spatial).
        uncertainty_key: 1 - probability of the predicted class, (1, *spatial).
        image_key: (M, *spatial), 0 outside the brain, NaN where a modality is absent.
        brain_key: mask of the brain, (1, *spatial), not needed. None, for other organs: all voxels count at which a
            modality is not 0, which is what the network saw.
        has_confidence: False for label maps from files, which do not say how certain they are: both are (1, 0).
    """

    backend = [TransformBackends.TORCH]

    def __init__(
        self,
        label_key: str = "label",
        pred_key: str = "pred",
        uncertainty_key: str = "uncertainty",
        image_key: str = "image",
        brain_key: str | None = "brain",
        has_confidence: bool = True,
    ) -> None:
        self.brain_key = brain_key
        self.has_confidence = has_confidence
        self.keys = {"label": label_key, "pred": pred_key, "uncertainty": uncertainty_key, "image": image_key}

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        if not self.has_confidence:
            return {**data, "confidence": torch.zeros(1, 0), "correct": torch.zeros(1, 0)}
        label, pred, uncertainty, image = (convert_to_tensor(data[key], track_meta=False) for key in self.keys.values())
        if not label.shape[1:] == pred.shape[1:] == uncertainty.shape[1:] == image.shape[1:]:
            shapes = ", ".join(f"{key} {tuple(data[key].shape[1:])}" for key in self.keys.values())
            raise ValueError(f"grids differ ({shapes}); bring all four to one grid first (Invertd, SegmentOnGridd).")
        if self.brain_key is None:
            brain = brain_of_normalized(image).any(dim=0, keepdim=True).to(pred.device)
        else:
            brain = in_brain(image, data.get(self.brain_key)).to(pred.device)
        confidence = 1 - uncertainty[brain].float().unsqueeze(0)
        correct = (pred[brain] == label[brain].to(pred.device)).float().unsqueeze(0)
        return {**data, "confidence": confidence, "correct": correct}
