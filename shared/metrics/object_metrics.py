"""Scores of segmented objects, as the GlaS challenge defines them: detection F1, object Dice, object Hausdorff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

import torch
from monai.metrics import CumulativeIterationMetric
from torch import Tensor

from .object_sums import InstanceMap, ObjectSums, object_sums

__all__ = ["ObjectDiceMetric", "object_dice", "object_f1", "object_hausdorff"]


def object_f1(predictions: Sequence[InstanceMap], truths: Sequence[InstanceMap]) -> float:
    r"""How many objects are found, over all images together.

    .. math:: F_1 = \frac{2 \, \mathrm{TP}}{2 \, \mathrm{TP} + \mathrm{FP} + \mathrm{FN}}

    Sirinukunwattana et al., "Gland segmentation in colon histology images: The GlaS challenge contest", Medical Image
    Analysis 35, 2017. The partner of a segmented object is the true object of the same image that it overlaps most (the
    smallest id, if several are equal). The segmented object is a true positive if it covers more than half of its
    partner, else a false positive. Every true object beyond the true positives is a false negative. No objects at all:
    1; on one side only: 0.

    Args:
        predictions: (H, W) maps of object ids, 0 where there is none; ids need not be consecutive.
        truths: the same for the true objects, image by image.

    Returns:
        In [0, 1].
    """
    return _pooled(predictions, truths, distances=False).f1


def object_dice(predictions: Sequence[InstanceMap], truths: Sequence[InstanceMap]) -> float:
    r"""How well objects are covered, over all images together.

    .. math:: \frac{1}{2} \Big[ \sum_i w_i \, \mathrm{Dice}(G_i, S_i)
        + \sum_j \tilde w_j \, \mathrm{Dice}(\tilde G_j, \tilde S_j) \Big]

    over segmented objects S_i with partners G_i and true objects with theirs (`object_f1`), w the objects' shares of
    the area of all segmented, or all true, objects of all images (Sirinukunwattana et al. 2017). Without a partner an
    object scores 0. No objects at all: 1; on one side only: 0.

    Args:
        predictions: (H, W) maps of object ids, 0 where there is none.
        truths: the same for the true objects.

    Returns:
        In [0, 1].
    """
    return _pooled(predictions, truths, distances=False).dice


def object_hausdorff(
    predictions: Sequence[InstanceMap], truths: Sequence[InstanceMap], pixel_size_um: float = 1.0
) -> float:
    """How far the outlines of objects are apart, over all images together.

    `object_dice` with the Hausdorff distance in place of Dice: the largest Euclidean distance from any pixel of one
    object to the other object (all pixels, not only the edge, so that a hole costs nothing at its rim). An object that
    overlaps none takes the smallest distance to an object of its image.

    An image with objects on one side only has no such distance: its objects count with the image's diagonal instead
    (`ObjectSums.one_sided` says how many images those are). No objects at all: 0. If one side has no object in any
    image, the other side's mean is the score.

    Args:
        predictions: (H, W) maps of object ids, 0 where there is none.
        truths: the same for the true objects.
        pixel_size_um: edge of a pixel in micrometres; with 1 the result is in pixels.

    Returns:
        Micrometres.
    """
    return _pooled(predictions, truths, pixel_size_um=pixel_size_um).hausdorff_um


class ObjectDiceMetric(CumulativeIterationMetric):
    """`object_dice` as a metric of MONAI, pooled over all cases, of all processes too.

    Call it with lists of (1, H, W) instance maps. The buffer is (cases, fields of `ObjectSums`).
    """

    def _compute_tensor(self, y_pred: Tensor, y: Tensor) -> Tensor:
        sums = object_sums(y_pred[0, 0], y[0, 0], distances=False)
        return torch.tensor([astuple(sums)], dtype=torch.float64, device=y_pred.device)

    def aggregate(self) -> Tensor:
        """Pool over cases."""
        cases = self.get_buffer().tolist()
        return torch.tensor(sum((ObjectSums(*case) for case in cases), ObjectSums()).dice)


def _pooled(
    predictions: Sequence[InstanceMap],
    truths: Sequence[InstanceMap],
    pixel_size_um: float = 1.0,
    distances: bool = True,
) -> ObjectSums:
    if len(predictions) != len(truths) or not len(truths):
        raise ValueError(f"need as many predictions as truths, at least one; got {len(predictions)} and {len(truths)}.")
    images = zip(predictions, truths, strict=True)
    return sum((object_sums(*image, pixel_size_um, distances) for image in images), ObjectSums())
