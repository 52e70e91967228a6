"""Separate the glands of a state map."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import TransformBackends, convert_to_dst_type
from scipy.ndimage import binary_dilation, binary_erosion, binary_fill_holes, distance_transform_edt, label

__all__ = ["GlandInstancesd", "gland_instances"]

EPITHELIUM, LUMEN, CONTOUR = 1, 2, 3
EIGHT_NEIGHBOURS = np.ones((3, 3))


def gland_instances(
    state_map: np.ndarray | torch.Tensor,
    pixel_size_um: float,
    min_area_um2: float = 38.4,
    lumen_seeds: bool = False,
    min_lumen_area_um2: float = 23.0,
    opening_um: float = 2.5,
) -> np.ndarray:
    """Number the glands of a map of stroma (0), epithelium (1), lumen (2) and, if it has them, contours (3).

    A gland is a connected component (8 neighbours) of what is not stroma, its holes filled; too small ones are left
    out. Glands that touch are one component, which contours part: a watershed from what the contours enclose (opened,
    so that a small gap in a contour joins nothing) gives the contours' pixels to the nearest gland.

    Without contours, where each gland has its lumen, `lumen_seeds` parts them by a watershed from the lumens, halfway
    between these. It cuts a gland with several lumens as well, which is why it is an option.

    Args:
        state_map: (H, W), the values 0, 1, 2 and 3.
        pixel_size_um: edge of a pixel in micrometres.
        min_area_um2: smallest gland; as given, 100 pixels at the 0.62 um of the GlaS data.
        lumen_seeds: part glands that touch by their lumens (needs scikit-image).
        min_lumen_area_um2: smallest lumen that counts as a seed; as given, 60 pixels at 0.62 um.
        opening_um: radius of the opening of what contours enclose.

    Returns:
        (H, W), int32: 0 outside, the glands 1, 2, ...
    """
    states = state_map.detach().cpu().numpy() if isinstance(state_map, torch.Tensor) else np.asarray(state_map)
    if states.ndim != 2 or not np.isin(np.unique(states), (0, EPITHELIUM, LUMEN, CONTOUR)).all():
        raise ValueError(f"state_map must be (H, W) with the values 0, 1, 2, 3, got {_describe(states)}.")
    if not pixel_size_um > 0:
        raise ValueError(f"pixel_size_um must be positive, got {pixel_size_um}.")
    glands, _ = label(binary_fill_holes(states > 0), EIGHT_NEIGHBOURS)
    if (states == CONTOUR).any():
        glands = _parted(glands, _enclosed(states, opening_um / pixel_size_um, min_area_um2 / pixel_size_um**2))
    elif lumen_seeds:
        lumens = _without_small(label(states == LUMEN, EIGHT_NEIGHBOURS)[0], min_lumen_area_um2 / pixel_size_um**2)
        glands = _parted(glands, lumens)
    return _without_small(glands, min_area_um2 / pixel_size_um**2)


class GlandInstancesd(MapTransform):
    """Dictionary version of `gland_instances`: from a state map (1, H, W), add the glands (1, H, W), int32.

    Args:
        keys: the state maps.
        pixel_size_um: see `gland_instances`.
        min_area_um2: see `gland_instances`.
        lumen_seeds: see `gland_instances`.
        min_lumen_area_um2: see `gland_instances`.
        opening_um: see `gland_instances`.
        postfix: the glands of "pred" are put under "pred_<postfix>".
        allow_missing_keys: skip absent keys instead of raising.
    """

    backend = [TransformBackends.NUMPY]

    def __init__(
        self,
        keys: KeysCollection,
        pixel_size_um: float,
        min_area_um2: float = 38.4,
        lumen_seeds: bool = False,
        min_lumen_area_um2: float = 23.0,
        opening_um: float = 2.5,
        postfix: str = "instances",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.settings = (pixel_size_um, min_area_um2, lumen_seeds, min_lumen_area_um2, opening_um)
        self.postfix = postfix

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        numbered = dict(data)
        for key in self.key_iterator(data):
            glands = gland_instances(data[key][0], *self.settings)[None]
            numbered[f"{key}_{self.postfix}"] = convert_to_dst_type(glands, data[key], dtype=torch.int32)[0]
        return numbered


def _describe(states: np.ndarray) -> str:
    values = np.unique(states)
    return f"{states.shape} with {values[:5].tolist()}{' and more' * (len(values) > 5)}"


def _without_small(objects: np.ndarray, min_pixels: float) -> np.ndarray:
    """Drop what has fewer pixels and number the rest without gaps."""
    kept = np.bincount(objects.ravel()) >= min_pixels
    kept[0] = False
    return (kept.cumsum() * kept)[objects].astype(np.int32)


def _enclosed(states: np.ndarray, radius: float, min_pixels: float) -> np.ndarray:
    """Number what contours enclose, its holes filled, opened by a disc; small parts do not count."""
    from skimage.morphology import disk

    inner = binary_fill_holes(np.isin(states, (EPITHELIUM, LUMEN)))
    inner = binary_dilation(binary_erosion(inner, disk(int(radius)), border_value=1), disk(int(radius)))
    return _without_small(label(inner)[0], min_pixels)


def _parted(glands: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Divide every component among its parts; one without stays whole."""
    from skimage.segmentation import watershed

    seeds = parts.copy()
    without = ~np.isin(glands, np.unique(glands[parts > 0]))
    seeds[without] = (glands + parts.max())[without]
    return watershed(distance_transform_edt(parts == 0), seeds, connectivity=2, mask=glands > 0)
