"""Read the list of cases of a Medical Segmentation Decathlon folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError

__all__ = ["read_msd_listing"]

# other names of a modality
ALIASES = {"t1w": "t1", "t1n": "t1", "t1gd": "t1ce", "t1c": "t1ce", "t2w": "t2", "t2f": "flair"}


def read_msd_listing(folder: Path, modalities: Sequence[str], needs_label: bool) -> dict[str, dict[str, Any]]:
    """Return {case: {modality: [path, channel], "label": path}} of what `dataset.json` lists and is there.

    Args:
        folder: holds `dataset.json`; without it nothing is returned.
        modalities: names of modalities, "t1", "t1ce", "t2", "flair" or as in the file but in small letters.
        needs_label: leave out the test images, which have none.
    """
    listing = folder / "dataset.json"
    if not listing.is_file():
        return {}
    try:
        channels, entries = _parse(json.loads(listing.read_text(encoding="utf-8")), with_test=not needs_label)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(
            f"{listing}: not as in the Medical Segmentation Decathlon ({reason}); it must hold "
            '"modality" {"0": name, ...} and "training" [{"image": path, "label": path}, ...].'
        ) from error
    unknown = [name for name in modalities if name not in channels]
    if unknown:
        raise InputError(f"modality {unknown[0]!r}: {listing} names no such channel, only {', '.join(channels)}.")
    found: dict[str, dict[str, Any]] = {}
    for image, label in entries:
        path = folder / image
        case = Path(path.name.removesuffix(".gz")).stem
        if path.name.startswith(".") or not path.is_file():
            continue
        if case in found:
            raise InputError(f"{listing}: lists case {case} twice; remove one.")
        found[case] = {name: [str(path), channels[name]] for name in modalities}
        if label and (folder / label).is_file():
            found[case]["label"] = str(folder / label)
    return found


def _parse(described: Mapping[str, Any], with_test: bool) -> tuple[dict[str, int], list[tuple[str, str | None]]]:
    """Return the channel of each modality, and image and label of each case."""
    names = described.get("modality") or described["channel_names"]
    channels = {ALIASES.get(name.lower(), name.lower()): int(index) for index, name in names.items()}
    listed = [*described["training"], *(described.get("test", []) if with_test else [])]
    entries = [entry if isinstance(entry, Mapping) else {"image": entry} for entry in listed]
    return channels, [(entry["image"], entry.get("label")) for entry in entries]
