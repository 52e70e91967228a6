"""Read the list of cases of a Medical Segmentation Decathlon folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from .file_patterns import case_of_file

__all__ = ["channels_of_listing", "read_msd_listing"]

# other names of a modality, in small letters without signs
ALIASES = {
    **dict.fromkeys(("t1", "t1w", "t1n", "t1weighted", "t1native"), "t1"),
    **dict.fromkeys(("t1ce", "t1gd", "t1c", "t1wce", "t1wgd", "t1post", "t1km", "ct1", "t1contrast"), "t1ce"),
    **dict.fromkeys(("t2", "t2w", "t2weighted"), "t2"),
    **dict.fromkeys(("flair", "t2f", "t2flair", "t2wflair"), "flair"),
}


def read_msd_listing(
    folder: Path, modalities: Sequence[str], needs_label: bool
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return {case: {modality: [path, channel], "label": path}} of what `dataset.json` lists and is there.

    The second dictionary is {case: reason} of the cases that are listed twice.

    Args:
        folder: holds `dataset.json`; without it nothing is returned.
        modalities: names of modalities, "t1", "t1ce", "t2", "flair" or as in the file but in small letters.
        needs_label: leave out the test images, which have none.
    """
    listing = folder / "dataset.json"
    if not listing.is_file():
        return {}, {}
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
    twice: dict[str, str] = {}
    for image, label in entries:
        path = _file_of(folder, image)
        case = case_of_file(path)
        if path.name.startswith(".") or not path.is_file():
            continue
        if case in found:
            twice[case] = f"{listing}: lists case {case} twice, {found[case][modalities[0]][0]} and {path}; remove one."
            continue
        found[case] = {name: [str(path), channels[name]] for name in modalities}
        if label and _file_of(folder, label).is_file():
            found[case]["label"] = str(_file_of(folder, label))
    return found, twice


def _file_of(folder: Path, listed: str) -> Path:
    """Return the file that an entry means; some listings begin with a slash, or lack the .gz that the file has."""
    path = folder / listed
    if not path.is_file() and listed.startswith("/"):
        path = folder / listed.lstrip("/")
    packed = path.with_name(f"{path.name}.gz")
    return packed if not path.is_file() and packed.is_file() else path


def channels_of_listing(described: Mapping[str, Any]) -> dict[str, int]:
    """Return {modality: channel} of a `dataset.json`'s "modality" or "channel_names", in this project's names."""
    names = described.get("modality") or described["channel_names"]
    channels: dict[str, int] = {}
    for index, name in names.items():
        modality = ALIASES.get("".join(sign for sign in name.lower() if sign.isalnum()), name.lower())
        if modality in channels:
            raise ValueError(f"two channels are called {modality}")
        channels[modality] = int(index)
    return channels


def _parse(described: Mapping[str, Any], with_test: bool) -> tuple[dict[str, int], list[tuple[str, str | None]]]:
    """Return the channel of each modality, and image and label of each case."""
    listed = [*described["training"], *(described.get("test", []) if with_test else [])]
    entries = [entry if isinstance(entry, Mapping) else {"image": entry} for entry in listed]
    return channels_of_listing(described), [(entry["image"], entry.get("label")) for entry in entries]
