"""Scores of every lesion of a case, by both definitions of the BraTS challenges."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.ndimage import (
    binary_dilation,
    binary_erosion,
    distance_transform_edt,
    find_objects,
    generate_binary_structure,
    label,
)
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from .hausdorff_95 import hausdorff_95
from .lesion_wise_scores import LesionScores, MatchedLesionScores

__all__ = ["dilated_lesion_scores", "matched_lesion_scores"]

PENALTY_MM = 374.0  # of a missed lesion and of a false positive, BraTS 2023 and 2024
ALL_NEIGHBOURS = generate_binary_structure(3, 3)  # 26
TOUCHING = generate_binary_structure(3, 2)  # 18
LEAST_DICE = 1e-6  # of a match, since 2025

Box = tuple[slice, ...]


def dilated_lesion_scores(
    prediction: np.ndarray,
    target: np.ndarray,
    spacing_mm: Sequence[float],
    dilation_voxels: int = 3,
    min_volume_mm3: float = 50.0,
) -> LesionScores:
    """Lesion-wise Dice and HD95 of BraTS 2023 and 2024.

    The target is dilated (18 neighbours); components (26) of the dilated target are the lesions. All predicted
    components that meet a dilated lesion are compared, as one mask, with the lesion before dilation. A lesion that
    none meets scores Dice 0 and HD95 374, as does every predicted component that meets no lesion. Lesions up to
    `min_volume_mm3` are left out, and what meets them is no false positive. One component may serve two lesions.

    The organisers' HD95 weighs surface elements by area; here each surface voxel counts once.

    Args:
        prediction: (x, y, z), one region, 0 and 1 or bool.
        target: same shape.
        spacing_mm: voxel size along every axis.
        dilation_voxels: 3 for glioma, Africa and children; 1 for meningioma and metastases.
        min_volume_mm3: 50; 2 for metastases.
    """
    predicted, true = _checked(prediction, target)
    found, num_found = label(predicted, ALL_NEIGHBOURS)
    lesions, num_lesions = label(_dilated(true, dilation_voxels), ALL_NEIGHBOURS)
    boxes = find_objects(found, num_found)
    met: set[int] = set()
    dice, distances, missed = [], [], 0
    for number, box in enumerate(find_objects(lesions, num_lesions), start=1):
        inside = lesions[box] == number
        meeting = [component for component in np.unique(found[box][inside]).tolist() if component]
        met.update(meeting)
        lesion = inside & true[box]
        if int(lesion.sum()) * math.prod(spacing_mm) <= min_volume_mm3:
            continue
        if not meeting:
            missed += 1
            continue
        both = _joint([box, *(boxes[component - 1] for component in meeting)])
        pair = np.isin(found[both], meeting), true[both] & (lesions[both] == number)
        dice.append(_dice(*pair))
        distances.append(_hausdorff(*pair, spacing_mm))
    false = num_found - len(met)
    alone = missed + false
    return LesionScores(
        (*dice, *[0.0] * alone), (*distances, *[PENALTY_MM] * alone), (), missed=missed, false_positives=false
    )


def matched_lesion_scores(
    prediction: np.ndarray, target: np.ndarray, spacing_mm: Sequence[float], penalty_mm: float = PENALTY_MM
) -> MatchedLesionScores:
    """Lesion-wise Dice, surface Dice and HD95 of BraTS since 2025.

    Components (26 neighbours) of prediction and target are matched one to one, so that the sum of their Dice is
    greatest. HD95 is the 95th percentile of the distances in both directions together, and surface Dice the mean of
    both surfaces' shares within the tolerance: neither is what MONAI calls so. A component without a partner has Dice
    and surface Dice 0. Its HD95 is infinite in the organisers' program; here it is `penalty_mm`, so that means exist.
    Where nothing is in both, means are not a number there, and perfect here.

    Args:
        prediction: (x, y, z), one region, 0 and 1 or bool.
        target: same shape.
        spacing_mm: voxel size along every axis; the smallest one is the tolerance of the surface Dice.
        penalty_mm: HD95 of a component without a partner.
    """
    predicted, true = _checked(prediction, target)
    found, num_found = label(predicted, ALL_NEIGHBOURS)
    lesions, num_lesions = label(true, ALL_NEIGHBOURS)
    here = found > 0
    pairs = np.bincount(found[here] * (num_lesions + 1) + lesions[here], minlength=(num_found + 1) * (num_lesions + 1))
    shared = pairs.reshape(num_found + 1, num_lesions + 1)[1:]
    sizes = shared.sum(axis=1)[:, None] + np.bincount(lesions.ravel(), minlength=num_lesions + 1)[1:]
    dice = 2 * shared[:, 1:] / np.maximum(sizes, 1)
    matches = [
        (i, j) for i, j in zip(*linear_sum_assignment(dice, maximize=True), strict=True) if dice[i, j] > LEAST_DICE
    ]
    boxes = find_objects(found, num_found), find_objects(lesions, num_lesions)
    distances, surfaces = [], []
    for i, j in matches:
        both = _joint([boxes[0][i], boxes[1][j]])
        ways = _between_surfaces(found[both] == i + 1, lesions[both] == j + 1, spacing_mm)
        distances.append(float(np.percentile(np.concatenate(ways), 95)))
        surfaces.append(float(np.mean([(way <= min(spacing_mm)).mean() for way in ways])))
    missed, false = num_lesions - len(matches), num_found - len(matches)
    alone = missed + false
    return MatchedLesionScores(
        (*(float(dice[i, j]) for i, j in matches), *[0.0] * alone),
        (*distances, *[float(penalty_mm)] * alone),
        (*surfaces, *[0.0] * alone),
        missed=missed,
        false_positives=false,
    )


def _between_surfaces(
    predicted: np.ndarray, true: np.ndarray, spacing_mm: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return how far each surface voxel is from the other surface; surface voxels have a face to the outside."""
    edges = [region & ~binary_erosion(region) for region in (predicted, true)]
    far = [distance_transform_edt(~edge, sampling=spacing_mm) for edge in edges]
    return far[1][edges[0]], far[0][edges[1]]


def _checked(prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if prediction.shape != target.shape or prediction.ndim != 3:
        raise ValueError(f"one region (x, y, z) each is needed, got {prediction.shape} and {target.shape}.")
    return np.asarray(prediction) != 0, np.asarray(target) != 0


def _dilated(region: np.ndarray, voxels: int) -> np.ndarray:
    """Dilate a region component by component, which is faster than the whole volume."""
    components, _ = label(region, ALL_NEIGHBOURS)
    dilated = np.zeros_like(region)
    for number, box in enumerate(find_objects(components), start=1):
        around = tuple(slice(max(0, side.start - voxels), side.stop + voxels) for side in box)
        grown = components[around] == number
        if voxels:
            grown = binary_dilation(grown, TOUCHING, iterations=voxels)
        dilated[around] |= grown
    return dilated


def _joint(boxes: Sequence[Box]) -> Box:
    """Smallest box around several boxes; it contains the shortest way between two surfaces."""
    return tuple(slice(min(s.start for s in sides), max(s.stop for s in sides)) for sides in zip(*boxes, strict=True))


def _tensors(*regions: np.ndarray) -> list[Tensor]:
    """Return regions (1, x, y, z), with a border, since a surface ends where an array does."""
    return [torch.from_numpy(np.pad(region, 1))[None] for region in regions]


def _hausdorff(predicted: np.ndarray, true: np.ndarray, spacing_mm: Sequence[float]) -> float:
    return float(hausdorff_95(*_tensors(predicted, true), spacing_mm)[0])


def _dice(predicted: np.ndarray, true: np.ndarray) -> float:
    return float(2 * (predicted & true).sum() / (predicted.sum() + true.sum()))
