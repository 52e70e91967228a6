"""Take logits and true classes at some voxels of a case."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.transforms import Transform
from monai.utils import convert_to_tensor

from .brain_mask import brain_of_normalized, in_brain
from .segment_on_grid import map_on_grid

__all__ = ["SampleLogitsd"]


class SampleLogitsd(Transform):
    """Replace "pred" by logits (C, N) and "label" by classes (N,), at the same random voxels of the brain.

    Logits are interpolated as `SegmentOnGridd` does. Which voxels are drawn depends on the case's name only. The brain
    is that of `CalibrationPairsd`. Runs after `Invertd` has brought the image to its own grid.

    Args:
        num_voxels: N; fewer where the brain has fewer.
        brain_key: mask of the brain, (1, *spatial), not needed. None, for other organs: all voxels count at which a
            modality is not 0.
    """

    def __init__(self, num_voxels: int, brain_key: str | None = "brain") -> None:
        if num_voxels < 1:
            raise ValueError(f"num_voxels must be at least 1, got {num_voxels}.")
        self.num_voxels = num_voxels
        self.brain_key = brain_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        logits, label, image = data["pred"], data["label"], data["image"]
        plain = convert_to_tensor(image, track_meta=False)
        if self.brain_key is None:
            brain = brain_of_normalized(plain).any(dim=0)
        else:
            brain = in_brain(plain, data.get(self.brain_key))[0]
        inside = brain.flatten().nonzero().flatten().cpu()
        random = torch.Generator().manual_seed(zlib.crc32(str(data.get("case", "")).encode()))
        drawn = inside[torch.randperm(len(inside), generator=random)[: self.num_voxels]]
        on_grid = map_on_grid(convert_to_tensor(logits, track_meta=False), logits.affine, label.affine, label.shape[1:])
        classes = convert_to_tensor(label, track_meta=False).flatten().cpu()
        return {**data, "pred": on_grid.flatten(1).cpu()[:, drawn], "label": classes[drawn].long()}
