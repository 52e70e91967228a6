"""Read from dataset.json what the numbers in labels mean."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["described_labels"]

LISTING = "dataset.json"


def described_labels(label_path: str | Path, words: Mapping[str, int]) -> dict[int, int | None]:
    """Return {value: class} of the labels in `dataset.json`, one folder above the label's; None: an unknown name.

    The Medical Segmentation Decathlon writes {"1": "edema"}, nnU-Net {"edema": 1}, or regions {"whole tumor": [1, 2]}.

    Args:
        label_path: of one label.
        words: `LabelTable.words`.
    """
    try:
        labels = json.loads((Path(label_path).parent.parent / LISTING).read_text(encoding="utf-8"))["labels"]
        named = [_name_and_values(*entry) for entry in labels.items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # none, or of another kind
        return {}
    found: dict[int, int | None] = {}
    for name, values in sorted(named, key=lambda entry: -len(entry[1])):  # smaller regions are inside larger ones
        found |= dict.fromkeys(values, _class_of(name, words))
    return found


def _name_and_values(key: str, value: Any) -> tuple[str, list[int]]:
    if isinstance(value, str):
        return value, [int(key)]
    return key, [int(number) for number in (value if isinstance(value, list) else [value])]


def _class_of(name: str, words: Mapping[str, int]) -> int | None:
    text = name.lower().replace("_", " ")
    return next((klass for pattern, klass in words.items() if re.search(pattern, text)), None)
