"""Describe what a preprocessing does to the values and axes of an image."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import numpy as np
from monai.transforms import Compose
from torch import Tensor

__all__ = ["image_steps", "option_text"]

# Steps that a network's weights depend on: class to the options, and where an object keeps them. Crops and pads change
# no value; where a crop decides what is normalised, a bundle declares its size. Names of classes, since a packed bundle
# has classes of its own.
STEPS = {
    "NormalizeInBraind": {"brain_key": "brain_key", "shift_air": "normalize.shift_air"},
    "NormalizeMeasuredd": {"percentiles": "normalize.percentiles"},
    "NormalizeIntensityd": {
        "subtrahend": "normalizer.subtrahend",
        "divisor": "normalizer.divisor",
        "nonzero": "normalizer.nonzero",
        "channel_wise": "normalizer.channel_wise",
    },
    "Orientationd": {"axcodes": "ornt_transform.axcodes"},
    "Resized": {"spatial_size": "resizer.spatial_size"},
    "SafeSpacingd": {"pixdim": "spacing_transform.pixdim"},
    "ScaleIntensityRanged": {
        "a_min": "scaler.a_min",
        "a_max": "scaler.a_max",
        "b_min": "scaler.b_min",
        "b_max": "scaler.b_max",
    },
    "ScaleIntensityd": {"minv": "scaler.minv", "maxv": "scaler.maxv"},
    "Spacingd": {"pixdim": "spacing_transform.pixdim"},
}


def image_steps(preprocessing: Compose) -> list[str]:
    """Return a text for every step that changes an image's values or axes, such as "Orientationd axcodes=RAS".

    Training stores them with the weights, inference compares them: two configurations that read images in different
    ways cannot share weights. Steps on labels, random steps and steps that only check or note something are left out.

    Args:
        preprocessing: of validation or inference.
    """
    found = []
    for step in preprocessing.flatten().transforms:
        if isinstance(getattr(step, "steps", None), Compose):  # PrepareImaged
            found += image_steps(step.steps)
        options = STEPS.get(type(step).__name__)
        if options is not None:
            values = (f"{name}={option_text(attrgetter(place)(step))}" for name, place in options.items())
            found.append(" ".join([type(step).__name__, *values]))
    return found


def option_text(value: Any) -> str:
    """Return the text of an option's value, the same for numbers and sequences of every type."""
    if isinstance(value, (np.ndarray, Tensor)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(option_text, value))}]"
    return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)
