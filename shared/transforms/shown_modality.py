"""Keep only the modality that figures show."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from monai.transforms import Transform

from ..networks.present_modalities import present_modalities
from .planes import best_to_show

__all__ = ["FOUND_KEY", "ShownModalityd"]

FOUND_KEY = "found_modalities"


class ShownModalityd(Transform):
    """Leave of "image" (M, *spatial) the modality that figures show, and note the numbers of all that are there.

    Runs before `Invertd`, which would bring M channels back to the files' grid for a figure that shows one. The note, a
    list of channels, is "found_modalities"; `SaveImageCased` reads it.

    Args:
        modalities: names of the image's channels; see `best_to_show`.
        image_key: in which an absent modality is NaN.
    """

    def __init__(self, modalities: Sequence[str], image_key: str = "image") -> None:
        self.modalities = [modalities] if isinstance(modalities, str) else list(modalities)
        self.image_key = image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        image = data[self.image_key]
        plain = image.as_tensor()
        found = [number for number, channel in enumerate(plain) if present_modalities(channel[None, None])]
        shown = best_to_show(self.modalities, found) if found else 0
        return {**data, self.image_key: image[shown : shown + 1], FOUND_KEY: found}
