"""Remember where the brain is on the image's own grid."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping

import torch
from monai.transforms import Transform
from monai.utils import convert_to_dst_type

from .brain_checks import BRAIN_CHECKS
from .brain_mask import in_brain

__all__ = ["NoteBraind"]


class NoteBraind(Transform):
    """Add a brain mask (1, *spatial), uint8, if a case has none; turn an existing mask into 0 and 1.

    Runs before the image is normalised and resampled: afterwards the border of the brain is blurred, and scores that
    are taken inside of it (`CalibrationPairsd`) would count air.

    Args:
        image_key: (M, *spatial), 0 outside the brain where there is no mask.
        brain_key: mask (1, *spatial).
        checks: see `in_brain`.
    """

    def __init__(
        self, image_key: str = "image", brain_key: str = "brain", checks: Collection[str] = BRAIN_CHECKS
    ) -> None:
        self.image_key = image_key
        self.brain_key = brain_key
        self.checks = checks

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        image = data[self.image_key]
        brain = in_brain(image, data.get(self.brain_key), self.checks)
        return {**data, self.brain_key: convert_to_dst_type(brain, image, dtype=torch.uint8)[0]}
