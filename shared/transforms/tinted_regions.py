"""Tint and outline the regions and the objects of a 2D image, near objects in different colours."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .planes import COLOURS, colour_of

__all__ = ["region_colour", "tinted_objects", "tinted_regions"]

OBJECT_COLOURS = tuple(code for code in COLOURS if code != "#CC79A7")  # which is that of stained tissue
NEAR = 4  # objects whose gap is not wider, in drawn pixels, differ in colour
MOST_PAIRS = 100_000  # of near objects; more are noise, in which no colours help
TINT = 0.4


def _inner_edges(values: np.ndarray) -> np.ndarray:
    """Mark the labelled pixels next to another value; the line grows with the image."""
    width = 2 * max(1, round(max(values.shape) / 800)) + 1
    beside_other = ndimage.minimum_filter(values, width, mode="nearest") != ndimage.maximum_filter(
        values, width, mode="nearest"
    )
    return beside_other & (values > 0)


def tinted_regions(image: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Return a copy of an image (H, W, 3) in which the regions (H, W) above 0 are tinted and outlined."""
    painted = image.copy()
    edges = _inner_edges(regions)
    for value in np.unique(regions[regions > 0]).tolist():
        inside, colour = regions == value, region_colour(value)
        painted[inside] = (1 - TINT) * painted[inside] + TINT * colour
        painted[inside & edges] = colour
    return painted


def tinted_objects(image: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """Return a copy of an image (H, W, 3) in which the objects (H, W), numbered from 1 on, are tinted and outlined."""
    numbers, places = np.unique(objects, return_inverse=True)
    if numbers[0] != 0:
        numbers, places = np.concatenate([[0], numbers]), places + 1
    places = places.reshape(objects.shape)
    colours = np.stack([np.zeros(3), *(_rgb(OBJECT_COLOURS[c]) for c in _distinct_colours(places, len(numbers)))])
    tint = TINT * (places > 0)[..., None]
    painted = (1 - tint) * image + tint * colours[places]
    edges = _inner_edges(places)
    painted[edges] = colours[places[edges]]
    return painted


def _distinct_colours(places: np.ndarray, count: int) -> list[int]:
    """Choose a colour (0, 1, ...) for every object from 1 on that no near one has, or at least no touching one."""
    gaps: list[dict[int, int]] = [{} for _ in range(count)]
    for gap in range(1, NEAR + 2):
        for one, other in ((places[gap:], places[:-gap]), (places[:, gap:], places[:, :-gap])):
            between = (one != other) & (one > 0) & (other > 0)
            pairs = np.unique(one[between] * count + other[between])
            for pair in pairs.tolist() if len(pairs) <= MOST_PAIRS else ():
                first, second = divmod(pair, count)
                gaps[first].setdefault(second, gap)
                gaps[second].setdefault(first, gap)
    chosen: dict[int, int] = {}
    for number in range(1, count):
        clash = np.zeros(len(OBJECT_COLOURS))
        for other, gap in gaps[number].items():
            if other in chosen:
                clash[chosen[other]] += 10.0**-gap
        order = [(number + step) % len(clash) for step in range(len(clash))]
        chosen[number] = min(order, key=clash.__getitem__)
    return list(chosen.values())


def region_colour(value: int) -> np.ndarray:
    """Return a region's RGB in [0, 1], as `draw_overlay` colours classes."""
    return _rgb(colour_of(value))


def _rgb(code: str) -> np.ndarray:
    return np.array([int(code[start : start + 2], 16) for start in (1, 3, 5)], np.float32) / 255
