"""Keep of an image what its results are drawn on."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.transforms import Transform

from ..networks.present_modalities import present_modalities

__all__ = ["FOUND_KEY", "FirstModalityd"]

FOUND_KEY = "found_modalities"


class FirstModalityd(Transform):
    """Leave of "image" (M, *spatial) the first modality that is there, and note the numbers of all that are.

    Runs before `Invertd`, which would bring M channels back to the files' grid for a figure that shows one. The note, a
    list of channels, is "found_modalities"; `SaveImageCased` reads it.

    Args:
        image_key: in which an absent modality is NaN.
    """

    def __init__(self, image_key: str = "image") -> None:
        self.image_key = image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        image = data[self.image_key]
        plain = image.as_tensor()
        found = [number for number, channel in enumerate(plain) if present_modalities(channel[None, None])]
        first = found[0] if found else 0
        return {**data, self.image_key: image[first : first + 1], FOUND_KEY: found}
