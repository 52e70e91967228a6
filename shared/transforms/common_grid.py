"""Bring the modalities of a case onto one grid."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping
from typing import Any

from monai.data import MetaTensor
from monai.transforms import ResampleToMatch

from ..errors import InputError
from .is_constant import is_constant
from .same_grid import grid_difference
from .source_file import source_file

__all__ = ["choose_grid", "modality_on_grid", "on_grid"]


def choose_grid(
    present: Mapping[Hashable, MetaTensor], reference: Hashable, data: Mapping[Hashable, Any]
) -> MetaTensor:
    """Return the volume whose grid counts: the label, if it was read; else the reference; else the first present.

    Args:
        present: name to modality (1, *spatial), at least one.
        reference: name of a modality. If it is absent and the others differ, a warning names what is used instead.
        data: the case, with "label" and "case" if it has them.
    """
    if isinstance(data.get("label"), MetaTensor):
        return data["label"]
    if reference in present:
        return present[reference]
    name, first = next(iter(present.items()))
    if any(grid_difference(first, volume) for volume in present.values()):
        logging.getLogger(__name__).warning(
            "case %s: %s, the reference for the grid, is absent; resampled onto the grid of %s.",
            data.get("case", "(unnamed)"),
            reference,
            name,
        )
    return first


def modality_on_grid(volume: MetaTensor, grid: MetaTensor, name: Hashable) -> MetaTensor:
    """Resample a modality onto the grid of another volume (trilinear); return it as it is if it is on that grid.

    Raises:
        InputError: the two do not overlap.
    """
    if not grid_difference(grid, volume):
        return volume
    resampled = on_grid(volume, grid, mode="bilinear")
    if is_constant(resampled.as_tensor()):
        raise InputError(
            f"{source_file(volume, name)}: {name} does not overlap with {source_file(grid, 'the label')}; "
            "correct the headers, or leave the modality out."
        )
    return resampled


def on_grid(volume: MetaTensor, grid: MetaTensor, mode: str) -> MetaTensor:
    """Resample a volume, 0 outside of what was measured, without a history of transforms."""
    resampled = ResampleToMatch(mode=mode, padding_mode="zeros")(volume, grid)
    return MetaTensor(resampled.as_tensor(), meta=resampled.meta)
