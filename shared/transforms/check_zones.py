"""Refuse zone labels whose numbers are swapped."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from torch import Tensor

from ..errors import InputError
from .source_file import source_file

__all__ = ["CheckZonesd"]

PERIPHERAL, TRANSITION = 1, 2
LEAST_MM = 2.0  # a difference below says nothing


class CheckZonesd(Transform):
    """Refuse a prostate label whose peripheral zone is in front of its transition zone; otherwise change nothing.

    Data sets number the two zones in either order, with the same values 1 and 2, so that a wrong convention gives
    labels that look right. But the peripheral zone is behind the transition zone in every prostate.

    Args:
        label_key: classes (1, *spatial), 1 peripheral zone, 2 transition zone, on a grid with an affine.
    """

    def __init__(self, label_key: str = "label") -> None:
        self.label_key = label_key

    def __call__(self, data: Mapping[Hashable, Tensor]) -> dict[Hashable, Tensor]:
        label = data.get(self.label_key)
        if not isinstance(label, MetaTensor):
            return dict(data)
        behind = [_mean_to_the_front_mm(label, klass) for klass in (PERIPHERAL, TRANSITION)]
        if behind[0] - behind[1] > LEAST_MM:  # False where a zone is empty
            raise InputError(
                f"{source_file(label, self.label_key)}: its peripheral zone would lie {behind[0] - behind[1]:.0f} mm "
                "in front of its transition zone; the numbers may be the other way round: give --label_convention "
                '(msd: 1 peripheral; prostate158: 2 peripheral; or a mapping to 1 peripheral, 2 transition, as "{0: 0, '
                '1: 2, 2: 1}"), or correct the affine.'
            )
        return dict(data)


def _mean_to_the_front_mm(label: MetaTensor, klass: int) -> float:
    """Return where a class is along the patient's back-to-front axis (y of RAS); NaN if it is nowhere."""
    voxels = torch.nonzero(label.as_tensor()[0] == klass).double()
    if not len(voxels):
        return float("nan")
    affine = np.asarray(label.affine, dtype=float)
    return float(affine[1, :3] @ voxels.mean(dim=0).numpy() + affine[1, 3])
