"""Remove small connected components from a label map."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import TransformBackends, convert_to_dst_type
from scipy.ndimage import binary_dilation, find_objects, label

from ..errors import InputError

__all__ = ["RemoveSmallComponentsd", "remove_small_components"]

NEIGHBOURS = np.ones((3, 3, 3), dtype=bool)  # 26


def remove_small_components(classes: np.ndarray, voxel_mm3: float, min_mm3: Sequence[float]) -> np.ndarray:
    """Give every connected component (26 neighbours) of a class that is too small to what surrounds it.

    A small component becomes the class that most of the voxels next to it have, background included; of equal ones
    the lowest number. So a speck inside a tumour leaves no hole. MONAI's `RemoveSmallObjects` would leave background.

    Args:
        classes: (x, y, z), 0 is background. Higher classes are done first.
        voxel_mm3: volume of a voxel.
        min_mm3: smallest volume that stays, of the classes from 1 on.

    Returns:
        A new map.
    """
    cleaned = classes.copy()
    for number, least in reversed(list(enumerate(min_mm3, start=1))):
        if least <= voxel_mm3:
            continue
        components, _ = label(cleaned == number, NEIGHBOURS)
        volumes = np.bincount(components.ravel()) * voxel_mm3
        for component, box in enumerate(find_objects(components), start=1):
            if volumes[component] >= least * (1 - 1e-5):  # an oblique affine gives a volume that is right to 1e-7
                continue
            around = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in box)
            inside = components[around] == component
            rim = cleaned[around][binary_dilation(inside, NEIGHBOURS) & ~inside]
            cleaned[around][inside] = np.bincount(rim).argmax() if rim.size else 0
    return cleaned


class RemoveSmallComponentsd(MapTransform):
    """Dictionary version of `remove_small_components`, of label maps (1, x, y, z) with an affine.

    Args:
        keys: label maps.
        min_component_mm3: smallest volume that stays, one number for all classes or one per class; 0 keeps all.
        num_classes: number of classes, background included.
        allow_missing_keys: skip absent keys instead of raising.

    Raises:
        InputError: another number of volumes than of classes.
    """

    backend = [TransformBackends.NUMPY]

    def __init__(
        self,
        keys: KeysCollection,
        min_component_mm3: Sequence[float],
        num_classes: int,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        volumes = list(min_component_mm3)
        if len(volumes) not in (1, num_classes - 1):
            raise InputError(
                f"--min_component_mm3: expected one number, or {num_classes - 1}, one per class, got {volumes}."
            )
        self.volumes = volumes * (num_classes - 1) if len(volumes) == 1 else volumes

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        cleaned = dict(data)
        for key in self.key_iterator(cleaned) if any(self.volumes) else ():
            classes: MetaTensor = data[key]
            voxel_mm3 = abs(float(torch.linalg.det(classes.affine[:3, :3].double())))
            found = remove_small_components(np.asarray(classes[0].cpu()), voxel_mm3, self.volumes)
            cleaned[key] = convert_to_dst_type(found[None], classes, dtype=classes.dtype)[0]
        return cleaned
