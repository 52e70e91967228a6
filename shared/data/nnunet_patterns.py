"""The file patterns of a raw nnU-Net folder, whose dataset.json says which number is which modality."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from .msd_listing import channels_of_listing

__all__ = ["nnunet_patterns"]


def nnunet_patterns(folder: Path, modalities: Sequence[str], needs_label: bool) -> dict[str, str]:
    """Return a pattern per modality, and one for the label: imagesTr/{case}_0001.nii.gz, labelsTr/{case}.nii.gz.

    Without a `dataset.json` nothing is returned. nnU-Net's versions 1 ("modality") and 2 ("channel_names",
    "file_ending") are understood.

    Args:
        folder: holds `dataset.json`, or is one of its folders of images.
        modalities: names of modalities, "t1", "t1ce", "t2", "flair" or as in the file but in small letters.
        needs_label: leave out the test images.
    """
    inside = folder.name.startswith("images") and not (folder / "dataset.json").is_file()
    listing = (folder.absolute().parent if inside else folder) / "dataset.json"
    if not listing.is_file():
        return {}
    try:
        described = json.loads(listing.read_text(encoding="utf-8"))
        channels, ending = channels_of_listing(described), str(described.get("file_ending", ".nii.gz"))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(
            f'{listing}: not as in nnU-Net ({reason}); it must hold "channel_names" {{"0": name, ...}}.'
        ) from error
    if inside and needs_label:
        raise InputError(f"{folder}: holds images without labels; give {listing.parent} with --dataset_dir.")
    images, labels = ("imagesTr/", "labelsTr/") if needs_label else ("images*/", "labels*/")
    if inside:
        images, labels = "", "labels/"  # which are not inside
    unknown = [name for name in modalities if name not in channels]
    if unknown:
        raise InputError(
            f"modality {unknown[0]!r}: {listing} names no such channel, only {', '.join(channels)}; correct its names."
        )
    patterns = {name: f"{images}{{case}}_{channels[name]:04d}{ending}" for name in modalities}
    return {**patterns, "label": f"{labels}{{case}}{ending}"}
