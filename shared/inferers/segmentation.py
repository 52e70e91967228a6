"""What a `Segmenter` finds in a case."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.data import MetaTensor
from torch import Tensor

__all__ = ["Segmentation"]


class Segmentation:
    """A case's results on the grid of its image, and how to write them.

    Args:
        data: what the bundle's postprocessing gives: "pred", "uncertainty", "probabilities" and more.
        make_savers: gives, for a folder, the transforms that the bundle writes a case with.
    """

    def __init__(
        self, data: Mapping[Hashable, Any], make_savers: Callable[[str], Sequence[Callable[[Mapping], Mapping]]]
    ) -> None:
        self.data = dict(data)
        self._make_savers = make_savers

    @property
    def label(self) -> MetaTensor:
        """Class of every voxel (1, *spatial), uint8, in the bundle's own numbers; 0 is background."""
        return self.data["pred"]

    @property
    def uncertainty(self) -> MetaTensor:
        """1 - the probability of the class in `label`, (1, *spatial), float32."""
        return self.data["uncertainty"]

    @property
    def disagreement(self) -> MetaTensor | None:
        """Disagreement of an ensemble's networks (1, *spatial), float32; see `disagreement_of`."""
        return self.data.get("disagreement")

    @property
    def probabilities(self) -> MetaTensor:
        """Probability of every class, background first, (C, *spatial), float16."""
        return self.data["probabilities"]

    @property
    def class_probabilities(self) -> Tensor | None:
        """Probabilities (K,) of the whole image's classes, in bundles that have such classes."""
        return self.data.get("class_probabilities")

    @property
    def record(self) -> dict[str, Any]:
        """The JSON record: what was read, found and used; without names of files."""
        return self._make_savers(os.devnull)[-1].record(self.data)

    def save(self, output_dir: str | os.PathLike) -> Path:
        """Write what `inference.json` writes, into a folder of the case's own; return that folder.

        Args:
            output_dir: folder in which the case's folder is made.

        Raises:
            InputError: it cannot be written, or holds the results of other files.
        """
        data, savers = self.data, self._make_savers(os.fspath(output_dir))
        for saver in savers:
            data = saver(data)
        return savers[-1].place(data)
