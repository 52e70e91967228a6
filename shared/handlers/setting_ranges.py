"""Which values a bundle's settings may have: one table for all bundles, by the settings' names."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

__all__ = ["CHOICES", "LISTS", "RANGES", "Range", "nested_numbers", "range_of"]


@dataclass(frozen=True)
class Range:
    """An interval of numbers.

    Attributes:
        low: smallest number.
        high: largest number.
        whole: only whole numbers.
        above: `low` itself is excluded.
        below: `high` itself is excluded.
        optional: None is a value too.
    """

    low: float = 0
    high: float = math.inf
    whole: bool = False
    above: bool = False
    below: bool = False
    optional: bool = False

    def holds(self, value: Any) -> bool:
        """Whether a number, or every number of a list, is in the interval."""
        if isinstance(value, (list, tuple)):
            return bool(value) and all(self._holds_number(number) for number in value)
        return (self.optional and value is None) or self._holds_number(value)

    def _holds_number(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            return False
        too_low = value <= self.low if self.above else value < self.low
        too_high = value >= self.high if self.below else value > self.high
        return math.isfinite(value) and not too_low and not too_high

    def __str__(self) -> str:
        kind = "whole number" if self.whole else "number"
        low = f"above {self.low}" if self.above else f"of at least {self.low}"
        if self.high == math.inf:
            limits = low
        elif self.below or self.above:
            limits = f"{low} and {'below' if self.below else 'at most'} {self.high}"
        else:
            limits = f"from {self.low} to {self.high}"
        return f"a {kind} {limits}" + " (or '$None')" * self.optional


POSITIVE, NOT_NEGATIVE, SHARE = Range(above=True), Range(), Range(high=1)
COUNT, COUNT_OR_ZERO = Range(low=1, whole=True), Range(whole=True)

# The first pattern that fits a setting's name counts; a list must hold numbers of the range.
RANGES: dict[str, Range] = {
    "max_epochs": COUNT,
    "warm_up_epochs": COUNT_OR_ZERO,
    "consistency_ramp_epochs": COUNT_OR_ZERO,
    "patience_epochs": Range(low=1, whole=True, optional=True),
    "*_interval": COUNT,
    "*_interval_*": COUNT,
    "batch_size": COUNT,
    "sw_batch_size": COUNT,
    "num_workers": COUNT_OR_ZERO,
    "num_classes": Range(low=2, whole=True),
    "num_folds": Range(low=2, whole=True, optional=True),
    "num_heads": COUNT,
    "num_layers": COUNT,
    "fold": COUNT_OR_ZERO,
    "seed": Range(high=2**32 - 1, whole=True),
    "split_seed": Range(high=2**32 - 1, whole=True),
    "missing_seed": Range(high=2**32 - 1, whole=True),
    "split_fractions": SHARE,
    "validation_fraction": Range(high=1, below=True),
    "cache_rate": SHARE,
    "overlap": Range(high=1, below=True),
    "momentum": Range(high=1, below=True),
    "*_probability": SHARE,
    "duplicate_similarity": SHARE,
    "rho_1": Range(high=1, above=True),
    "rho_2": SHARE,
    "learning_rate": POSITIVE,
    "*_learning_rate": NOT_NEGATIVE,
    "weight_decay": NOT_NEGATIVE,
    "*_weight": NOT_NEGATIVE,
    "*_consistency": NOT_NEGATIVE,
    "label_smoothing": Range(high=1, below=True),
    "max_gradient_norm": Range(above=True, optional=True),
    "max_log_variance": Range(above=True, optional=True),
    "pixel_size_um": POSITIVE,
    "spacing_mm": POSITIVE,
    "patch_size": Range(low=16, whole=True),
    "patch_size_um": POSITIVE,
    "window_size_um": POSITIVE,
    "elastic_spacing_*": POSITIVE,
    "elastic_magnitude_*": NOT_NEGATIVE,
    "sigma_mm": NOT_NEGATIVE,
    "rotation_degrees": NOT_NEGATIVE,
    "shear": NOT_NEGATIVE,
    "scale": Range(high=1, below=True),
    "contrast": Range(high=1, below=True),
    "brightness": NOT_NEGATIVE,
    "min_area_um2": NOT_NEGATIVE,
    "contour_um": Range(above=True, optional=True),
    "min_et_volume_mm3": NOT_NEGATIVE,
    "min_component_mm3": NOT_NEGATIVE,
    "lesion_min_mm3": NOT_NEGATIVE,
    "temperature": Range(above=True, optional=True),
    "class_temperature": Range(above=True, optional=True),
    "pixels_per_case": COUNT,
    "voxels_per_case": COUNT,
    "lesion_dilation_voxels": COUNT_OR_ZERO,
    "surface_tolerance_mm": Range(optional=True),
    "image_size": COUNT,
    "img_size": COUNT,
    "window_size": COUNT,
    "ssim_window_size": COUNT,
    "membership_radius": COUNT,
    "feature_size": COUNT,
    "features": COUNT,
    "channels": COUNT,
    "*_channels": COUNT,
    "hidden_size": COUNT,
    "mlp_dim": COUNT,
    "painted_share": SHARE,
    "painted_per_epoch": COUNT,
    "painted_*_cases": COUNT_OR_ZERO,
    "curriculum_start": SHARE,
    "curriculum_width": POSITIVE,
    "curriculum_full_at_share": Range(high=1, above=True),
}
CHOICES: dict[str, tuple[str, ...]] = {
    "evaluate_part": ("train", "validation", "test"),
    "calibrate_part": ("train", "validation", "test"),
    "case_names": ("plain", "hash"),
    "gate_scope": ("window", "case"),
}
LISTS = re.compile(r"(_mm3?|_px|_um|size|channels|features|fractions)$")  # settings whose value may be a list

# What means the same wherever it is written, so that `--inferer::overlap 1.5` is found as well.
EVERYWHERE = ("overlap", "sw_batch_size", "batch_size", "num_workers", "cache_rate", "max_epochs")


def range_of(name: str) -> Range | None:
    """Return the range of a setting, or None where there is none."""
    return next((limits for pattern, limits in RANGES.items() if fnmatchcase(name, pattern)), None)


def nested_numbers(config: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Walk over the plain numbers below the top level whose names mean the same `EVERYWHERE`, as (id, value)."""
    if isinstance(config, Mapping):
        parts = config.items()
    elif isinstance(config, Sequence) and not isinstance(config, str):
        parts = enumerate(config)
    else:
        return
    for key, value in parts:
        place = f"{at}::{key}" if at else str(key)
        if at and key in EVERYWHERE and isinstance(value, (int, float)):
            yield place, value
        yield from nested_numbers(value, place)
