"""Resample to a given voxel spacing without touching other entries of the dictionary."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.transforms import Spacingd

__all__ = ["SafeSpacingd"]


class SafeSpacingd(Spacingd):
    """`monai.transforms.Spacingd` that leaves entries named `<key>_...` alone.

    For an image read from NIfTI, MONAI 1.6.1 treats every entry whose name begins with `<key>_` as a dictionary of
    metadata and calls `update` on it (Project-MONAI/MONAI pull request 8269). MONAI Label always adds `image_path`, a
    text, so `Spacingd` fails there. Here MONAI sees none but its own keys (so none of these may be named `<key>_...`).
    Arguments, inverse and lazy execution are those of `Spacingd`.
    """

    def __call__(self, data: Mapping[Hashable, Any], lazy: bool | None = None) -> dict[Hashable, Any]:
        visible = {key: data[key] for key in self.keys if key in data}
        return {**data, **super().__call__(visible, lazy)}
