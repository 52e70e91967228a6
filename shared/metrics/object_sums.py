"""What the scores of segmented objects are made of, image by image, so that images can be pooled in any grouping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cache

import numpy as np
from scipy.ndimage import distance_transform_edt, find_objects
from torch import Tensor

__all__ = ["InstanceMap", "ObjectSums", "object_sums"]

InstanceMap = np.ndarray | Tensor
Window = tuple[slice, slice]


@dataclass(frozen=True)
class ObjectSums:
    """What the scores of one image are made of; added up, of many images (`sum(images, ObjectSums())`).

    Attributes:
        predicted: number of segmented objects.
        true: number of true objects.
        detected: number of true positives.
        predicted_area: pixels of the segmented objects.
        true_area: pixels of the true objects.
        predicted_dice: sum over segmented objects of area times Dice with the partner.
        true_dice: the same over true objects.
        predicted_distance_um: sum over segmented objects of area times Hausdorff distance from the partner.
        true_distance_um: the same over true objects.
        one_sided: number of images with objects on one side only, where the diagonal replaces the distance.
    """

    predicted: int = 0
    true: int = 0
    detected: int = 0
    predicted_area: int = 0
    true_area: int = 0
    predicted_dice: float = 0.0
    true_dice: float = 0.0
    predicted_distance_um: float = 0.0
    true_distance_um: float = 0.0
    one_sided: int = 0

    def __add__(self, other: ObjectSums) -> ObjectSums:
        return ObjectSums(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    @property
    def f1(self) -> float:
        """`object_f1` of the images."""
        objects = self.predicted + self.true
        return 2 * self.detected / objects if objects else 1.0

    @property
    def dice(self) -> float:
        """`object_dice` of the images."""
        if not self.predicted and not self.true:
            return 1.0
        return (self.predicted_dice / max(self.predicted_area, 1) + self.true_dice / max(self.true_area, 1)) / 2

    @property
    def hausdorff_um(self) -> float:
        """`object_hausdorff` of the images."""
        sides = [(self.predicted_distance_um, self.predicted_area), (self.true_distance_um, self.true_area)]
        means = [distance / area for distance, area in sides if area]
        return sum(means) / len(means) if means else 0.0


def object_sums(
    prediction: InstanceMap, truth: InstanceMap, pixel_size_um: float = 1.0, distances: bool = True
) -> ObjectSums:
    """Compare the objects of one image; F1, Dice and Hausdorff distance, pooled or not, follow from the result.

    Args:
        prediction: (H, W) map of object ids, 0 where there is none.
        truth: the same for the true objects.
        pixel_size_um: edge of a pixel in micrometres.
        distances: measure the Hausdorff distances, which takes most of the time; without, their sums are NaN.
    """
    maps = _consecutive(prediction, "prediction"), _consecutive(truth, "truth")
    if maps[0].shape != maps[1].shape:
        raise ValueError(f"shapes differ: prediction {maps[0].shape}, truth {maps[1].shape}.")
    counts = [int(objects.max(initial=0)) for objects in maps]
    pairs = np.bincount((maps[0] * (counts[1] + 1) + maps[1]).ravel(), minlength=(counts[0] + 1) * (counts[1] + 1))
    shared = pairs.reshape(counts[0] + 1, counts[1] + 1)  # pixels that objects have in common, 0 being the background
    areas = shared[1:].sum(axis=1), shared[:, 1:].sum(axis=0)
    shared = shared[1:, 1:]
    sums = dict(zip(("predicted", "true", "predicted_area", "true_area"), (*counts, *map(_sum, areas)), strict=True))
    if not all(counts):
        diagonal_um = pixel_size_um * float(np.hypot(*maps[0].shape))
        reach = diagonal_um if distances else np.nan
        penalties = {f"{side}_distance_um": sums[f"{side}_area"] * reach for side in ("predicted", "true")}
        return ObjectSums(**sums, **penalties, one_sided=int(any(counts)))

    partners = shared.argmax(axis=1), shared.argmax(axis=0)  # the first of equal ones
    overlaps = shared.max(axis=1), shared.max(axis=0)
    dice = [2 * overlaps[a] / (areas[a] + areas[b][partners[a]]) for a, b in ((0, 1), (1, 0))]
    apart = _distances(maps, partners, overlaps) if distances else (np.nan, np.nan)
    return ObjectSums(
        **sums,
        detected=_sum(2 * overlaps[0] > areas[1][partners[0]]),
        predicted_dice=float(areas[0] @ dice[0]),
        true_dice=float(areas[1] @ dice[1]),
        predicted_distance_um=pixel_size_um * float(np.sum(areas[0] * apart[0])),
        true_distance_um=pixel_size_um * float(np.sum(areas[1] * apart[1])),
    )


def _consecutive(ids: InstanceMap, name: str) -> np.ndarray:
    """Number the objects 1, 2, ... in the order of their ids."""
    ids = ids.detach().cpu().numpy() if isinstance(ids, Tensor) else np.asarray(ids)
    if ids.ndim != 2 or not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"{name} must be a map (H, W) of integer object ids, got {ids.dtype} {ids.shape}.")
    present = np.unique(ids)
    if present.size and present[0] < 0:
        raise ValueError(f"{name} has a negative object id, {present[0]}; 0 is no object, objects are 1 and up.")
    return np.searchsorted(present[present > 0], ids, side="right")


def _sum(values: np.ndarray) -> int:
    return int(values.sum())


def _distances(
    maps: Sequence[np.ndarray], partners: Sequence[np.ndarray], overlaps: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Hausdorff distance, in pixels, of every segmented and of every true object from its partner."""
    windows = [find_objects(objects) for objects in maps]

    @cache
    def distance(i: int, j: int) -> float:
        window = _joint(windows[0][i], windows[1][j])
        segmented, true = maps[0][window] == i + 1, maps[1][window] == j + 1
        return max(_farthest(segmented, true), _farthest(true, segmented))

    def nearest(side: int, i: int) -> float:
        """Try the other side's objects until the next one's bounding box is too far off."""
        bounds, smallest = _bounds(windows[side][i], windows[1 - side]), np.inf
        for j in np.argsort(bounds, kind="stable"):
            if bounds[j] >= smallest:
                break
            smallest = min(smallest, distance(i, j) if side == 0 else distance(j, i))
        return smallest

    of_segmented = [distance(i, j) if overlaps[0][i] else nearest(0, i) for i, j in enumerate(partners[0])]
    of_true = [distance(i, j) if overlaps[1][j] else nearest(1, j) for j, i in enumerate(partners[1])]
    return np.array(of_segmented), np.array(of_true)


def _joint(one: Window, other: Window) -> Window:
    """Smallest window around two windows; it contains the shortest way between the two objects."""
    return tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True))


def _bounds(window: Window, others: Sequence[Window]) -> np.ndarray:
    """How far apart objects are at least: as far as a side of one's bounding box is from that of the other's."""
    sides = np.array([[(axis.start, axis.stop) for axis in other] for other in others])
    return np.abs(sides - [(axis.start, axis.stop) for axis in window]).max(axis=(1, 2))


def _farthest(pixels: np.ndarray, other: np.ndarray) -> float:
    """Largest distance from one of the pixels to the other mask."""
    return float(distance_transform_edt(~other)[pixels].max())
