"""Keep only the modality that figures show."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from monai.transforms import Transform

from ..networks.present_modalities import present_modalities
from .give_back import give_back
from .planes import best_to_show

__all__ = ["FOUND_KEY", "ShownModalityd"]

FOUND_KEY = "found_modalities"


class ShownModalityd(Transform):
    """Leave of "image" (M, *spatial) the modality that figures show, and note the numbers of all that are there.

    Runs before `Invertd`, which would bring M channels back to the files' grid for a figure that shows one, and before
    `SegmentOnGridd` makes further volumes. The note, a list of channels, is "found_modalities"; `SaveImageCased` reads
    it.

    Args:
        modalities: names of the image's channels; see `best_to_show`.
        image_key: in which an absent modality is NaN.
        free_image: give the other modalities' memory back, which an engine would hold until the case is done; see
            `give_back`, and `shared.handlers.HoldVolumesOnce`, without which the engine keeps it.
    """

    def __init__(self, modalities: Sequence[str], image_key: str = "image", free_image: bool = False) -> None:
        self.modalities = [modalities] if isinstance(modalities, str) else list(modalities)
        self.image_key = image_key
        self.free_image = free_image

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        image = data[self.image_key]
        plain = image.as_tensor()
        found = [number for number, channel in enumerate(plain) if present_modalities(channel[None, None])]
        shown = best_to_show(self.modalities, found) if found else 0
        left = image[shown : shown + 1]
        if self.free_image:
            left = left.clone()
            give_back(image)
        return {**data, self.image_key: left, FOUND_KEY: found}
