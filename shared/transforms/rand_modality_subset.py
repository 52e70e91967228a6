"""Draw a random subset of the modalities for a training sample."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.transforms import MapTransform, RandomizableTransform
from torch import Tensor

from ..networks.present_modalities import present_modalities

__all__ = ["RandModalitySubsetd"]


class RandModalitySubsetd(RandomizableTransform, MapTransform):
    """Add a mask (M,), boolean: a random non-empty subset of the modalities of an image (M, *spatial) that are there.

    All non-empty subsets are equally likely, so that each of four modalities is kept with probability 8/15; this is how
    RFNet (2021) and mmFormer (2022) simulate missing modalities. The image is not changed: a loss on single modalities
    still sees them all.

    Args:
        image_key: the image; a modality with any NaN is absent, and never kept.
        keep_key: where the mask goes.
        prob: probability that a subset is drawn; otherwise all modalities that are there are kept.
    """

    def __init__(self, image_key: str = "image", keep_key: str = "keep", prob: float = 1.0) -> None:
        if not 0.0 <= prob <= 1.0:
            raise ValueError(f"prob: between 0 and 1, got {prob}.")
        MapTransform.__init__(self, image_key)
        RandomizableTransform.__init__(self, prob)
        self.image_key = image_key
        self.keep_key = keep_key
        self.subset = 0  # the number whose binary digits say which of the modalities that are there are kept

    def randomize(self, data: int) -> None:
        """Draw a subset of `data` modalities."""
        super().randomize(None)
        everything = 2**data - 1
        self.subset = int(self.R.randint(1, everything + 1)) if self._do_transform else everything

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        image: Tensor = torch.as_tensor(data[self.image_key])
        present = present_modalities(image.unsqueeze(0)).squeeze(0).nonzero().flatten().tolist()
        if not present:
            raise ValueError(f"{self.image_key}: no modality is present, every channel is NaN.")
        self.randomize(len(present))
        keep = torch.zeros(len(image), dtype=torch.bool)
        for digit, channel in enumerate(present):
            keep[channel] = bool(self.subset >> digit & 1)
        return {**data, self.keep_key: keep}
