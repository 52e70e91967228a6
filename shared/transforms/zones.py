"""Regions of the prostate that are scored: PZ, TZ, gland."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends, convert_to_dst_type, convert_to_tensor

__all__ = ["ProstateZones", "ProstateZonesd"]


class ProstateZones(Transform):
    """Map classes to peripheral zone = 1, transition zone (central gland) = 2, whole gland = 1 and 2."""

    backend = [TransformBackends.TORCH]

    def __call__(self, label_map: MetaTensor) -> MetaTensor:
        """Map classes 0 to 2, (1, *spatial), to regions (3, *spatial), uint8."""
        classes = convert_to_tensor(label_map, track_meta=False)
        if classes.shape[0] != 1:
            raise ValueError(f"a label map (1, *spatial) is needed, got shape {tuple(classes.shape)}.")
        peripheral, transition = classes[0] == 1, classes[0] == 2
        regions = torch.stack([peripheral, transition, peripheral | transition])
        return convert_to_dst_type(regions, label_map, dtype=torch.uint8)[0]


class ProstateZonesd(MapTransform):
    """Dictionary version of `ProstateZones`.

    Args:
        keys: label maps.
        allow_missing_keys: skip absent keys instead of raising.
    """

    backend = ProstateZones.backend

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.regions = ProstateZones()

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        scored = dict(data)
        for key in self.key_iterator(scored):
            scored[key] = self.regions(scored[key])
        return scored
