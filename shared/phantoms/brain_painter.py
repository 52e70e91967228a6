"""Painted brains as tensors, made when they are needed: no folder, no end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor

from .mni_maps import load_brain_maps
from .mr_contrasts import BRAIN_MODALITIES
from .painted_brain import FINE_MM, MIXED, check_brain, head_size, paint_brain

__all__ = ["BrainPainter"]


class BrainPainter:
    """A function from numbers to a painted case: the same numbers give the same case, bit for bit.

    The atlas is read when it is made, once, so that worker processes that are forked later share it.

    Args:
        spacing_mm: edges of a voxel, 1 mm or more.
        modalities: which to paint.
        label_values: number of each class (background, necrosis and non-enhancing, oedema, enhancing) in the label;
            that of the real cases next to which these are used.
        tumours: "mixed" or a name in `LESIONS`.

    Raises:
        InputError: nilearn is missing, or a setting is wrong.
    """

    def __init__(
        self,
        spacing_mm: Sequence[float],
        modalities: str | Sequence[str] = BRAIN_MODALITIES,
        label_values: Sequence[int] = (0, 1, 2, 3),
        tumours: str = MIXED,
    ) -> None:
        self.size = head_size(spacing_mm)
        self.spacing_mm = [float(edge) for edge in spacing_mm]
        self.modalities = [modalities] if isinstance(modalities, str) else list(modalities)
        self.label_values, self.tumours = np.asarray(label_values), tumours
        self.affine = np.diag([*self.spacing_mm, 1.0])
        self.affine[:3, 3] = [-edge * (count - 1) / 2 for edge, count in zip(self.spacing_mm, self.size, strict=True)]
        check_brain(self.affine, self.modalities, tumours)
        load_brain_maps(fine=min(self.spacing_mm) < FINE_MM)

    def __call__(self, seed: Sequence[int]) -> dict[str, Any]:
        """Return the modalities, "label" and "brain", each (1, x, y, z), float32, in the orientation RAS.

        "brain" is 1 where any modality differs from air. With it nobody looks for a skull that was not removed: dura
        that stays on a painted brain is like one.
        """
        painted = paint_brain(
            seed, size=self.size, affine=self.affine, modalities=self.modalities, tumours=self.tumours
        )
        painted["label"] = self.label_values[painted["label"]]
        painted["brain"] = np.any([painted[name] != 0 for name in self.modalities], axis=0)
        return {name: self._tensor(volume, name) for name, volume in painted.items()}

    def _tensor(self, volume: np.ndarray, name: str) -> MetaTensor:
        meta = {"original_affine": self.affine.copy(), "filename_or_obj": f"painted {name}", "space": "RAS"}
        tensor = torch.from_numpy(volume.astype(np.float32))[None]
        return MetaTensor(tensor, affine=torch.from_numpy(self.affine.copy()), meta=meta)
