"""The layouts in which folders of brain and prostate images are published."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from .file_patterns import match_files, paths_below
from .msd_listing import read_msd_listing
from .nnunet_patterns import nnunet_patterns

__all__ = ["KNOWN_LAYOUTS", "LAYOUTS", "NOT_MODALITIES", "read_layout", "title_of_layout"]

LAYOUTS: dict[str, dict[str, str]] = {  # see file_patterns.py for how to read them
    "brats2021": {
        "t1": "**/{case}_t1.nii[.gz]",
        "t1ce": "**/{case}_t1ce.nii[.gz]",
        "t2": "**/{case}_t2.nii[.gz]",
        "flair": "**/{case}_flair.nii[.gz]",
        "label": "**/{case}_seg.nii[.gz]",
    },
    "brats2023": {
        "t1": "**/{case}-t1n.nii[.gz]",
        "t1ce": "**/{case}-t1c.nii[.gz]",
        "t2": "**/{case}-t2w.nii[.gz]",
        "flair": "**/{case}-t2f.nii[.gz]",
        "label": "**/{case}-seg.nii[.gz]",
    },
    "brats_men_rt": {"t1ce": "**/{case}_t1c.nii[.gz]", "label": "**/{case}_gtv.nii[.gz]"},
    "prostate158": {
        "t2": "**/{case}/t2.nii[.gz]",
        "adc": "**/{case}/adc.nii[.gz]",
        "label": "**/{case}/t2_anatomy_reader1.nii[.gz]",
    },
}
MSD, NNUNET = "msd", "nnunet"  # described by their dataset.json instead
KNOWN_LAYOUTS = (*LAYOUTS, MSD, NNUNET)
NOT_MODALITIES = ("label", "brain")


def read_layout(
    root: Path, names: Sequence[str], needs_label: bool, layout: str | Mapping[str, str]
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return {case: {modality, "label", "brain": path}} of every file that fits, and {case: reason} of doubtful cases.

    Raises:
        InputError: the layout has none of a modality, or the `dataset.json` is another one.
    """
    if layout == MSD:
        return read_msd_listing(root, names, needs_label)
    if layout == NNUNET:
        patterns = nnunet_patterns(root, names, needs_label)
    else:
        patterns = LAYOUTS[layout] if isinstance(layout, str) else dict(layout)
        _check_patterns(patterns, names, needs_label, layout)
    wanted = {key: pattern for key, pattern in patterns.items() if key in (*names, *NOT_MODALITIES)}
    paths = paths_below(root)
    found, doubtful = match_files(paths, wanted)
    if not found:  # the folder of one case: match as seen from the folder above
        own_name = os.path.basename(os.path.abspath(root))
        paths = {f"{own_name}/{relative}": path for relative, path in paths.items()}
        found, doubtful = match_files(paths, wanted)
    if doubtful and not needs_label:  # labels that nobody reads make no case doubtful
        _, doubtful = match_files(paths, {key: pattern for key, pattern in wanted.items() if key != "label"})
    return found, doubtful


def title_of_layout(layout: str | Mapping[str, str]) -> str:
    """Return what messages call a layout."""
    return f"layout {layout}" if isinstance(layout, str) else "the layout given in the config"


def _check_patterns(
    patterns: Mapping[str, str], names: Sequence[str], needs_label: bool, layout: str | Mapping[str, str]
) -> None:
    unknown = [name for name in names if name not in patterns or name in NOT_MODALITIES]
    if unknown:
        known = ", ".join(name for name in patterns if name not in NOT_MODALITIES)
        raise InputError(f"modality {unknown[0]!r}: {title_of_layout(layout)} has no files for it, only for {known}.")
    if needs_label and "label" not in patterns:
        raise InputError(
            f'{title_of_layout(layout)}: has no pattern for the label; add one, such as "label": "{{case}}/*seg*".'
        )
