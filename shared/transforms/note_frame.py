"""Remember the axes and the middle of a whole case."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from ..networks.learned_image import FRAME, frame_of

__all__ = ["NoteFramed"]


class NoteFramed(MapTransform):
    """Note the axes and the middle of an image in its metadata, under "case_frame"; see `frame_of`.

    Runs on the whole case: crops, flips and turns that follow change the affine and leave the note, so that a crop's
    place in the case is known (`shared.networks.M3AE`).

    Args:
        keys: images (M, *spatial).
        allow_missing_keys: skip absent keys instead of raising.
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        noted = dict(data)
        for key in self.key_iterator(noted):
            image = noted[key]
            meta = {**image.meta, FRAME: frame_of(image.affine.cpu(), image.shape[1:])}
            noted[key] = MetaTensor(image.as_tensor(), meta=meta, applied_operations=list(image.applied_operations))
        return noted
