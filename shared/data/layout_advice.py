"""Say what was looked for in a folder without a case, and which layout was tried and would find some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import InputError
from .file_patterns import match_files, paths_below
from .layouts import KNOWN_LAYOUTS, LAYOUTS, read_layout, title_of_layout

__all__ = ["advise_layout", "nothing_found"]

LISTING = "dataset.json"
NUMBERED = {  # nnU-Net's names without its dataset.json: images -> labels
    f"{folder}{{case}}_000{{channel}}{ending}": f"{labels}{{case}}{ending}"
    for folder, labels in (("imagesTr/", "labelsTr/"), ("imagesTs/", "labelsTs/"), ("", "labels/"))
    for ending in (".nii.gz", ".nii", ".mha", ".nrrd")
}


def nothing_found(
    root: Path, names: Sequence[str], layout: str | Mapping[str, str], needs_label: bool, num_others: int
) -> str:
    """Return the message for a folder in which no case has one of the modalities.

    Args:
        root: the folder.
        names: modalities that are wanted.
        layout: what was tried.
        needs_label: whether labels are wanted.
        num_others: cases of the layout without any of these modalities.
    """
    if num_others:
        return (
            f"{root}: {num_others} cases of {title_of_layout(layout)}, but none has {', '.join(names)}; correct "
            "--dataset_dir or --layout (other modalities need weights trained for them)."
        )
    if not paths_below(root):
        return f"{root}: the folder is empty; give the folder that holds the cases with --dataset_dir."
    patterns = LAYOUTS.get(layout, {}) if isinstance(layout, str) else layout
    looked_for = ", ".join(patterns[name] for name in names) if patterns else "dataset.json and the images it lists"
    text = f"{root}: no case of {title_of_layout(layout)} found (looked for {looked_for});"
    advice = advise_layout(root, names, layout, needs_label)
    return f"{text} {advice or 'correct --dataset_dir, or give --layout a pattern per modality.'}"


def advise_layout(root: Path, names: Sequence[str], layout: str | Mapping[str, str], needs_label: bool) -> str:
    """Try the other layouts on a folder; return which one finds most cases, or "" if none finds any."""
    counts = {other: _count(root, names, needs_label, other) for other in KNOWN_LAYOUTS if other != layout}
    best = max(counts, key=counts.__getitem__)
    if counts[best]:
        return f"{counts[best]} case{'s' * (counts[best] > 1)} would fit another: use --layout {best}."
    paths = paths_below(root)
    inside = next((path.parent for name, path in paths.items() if name.count("/") == 1 and path.name == LISTING), None)
    if inside is not None:
        return f"{inside} holds a {LISTING}: give that folder with --dataset_dir."
    series = next((path.parent for path in paths.values() if path.suffix.lower() == ".dcm"), None)
    if series is not None:
        return _advise_series(series.relative_to(root).parts, root, names[0], needs_label)
    return _advise_numbers(paths, names[0], needs_label)


def _advise_series(folders: Sequence[str], root: Path, name: str, needs_label: bool) -> str:
    """Return how to name a DICOM series that is in some folders below `root`."""
    if len(folders) > 1:
        pattern = f"{{'{name}': '{{case}}/{'/'.join(folders[1:])}/'}}"
        return f'DICOM is in it: give --layout a pattern per modality, with a slash at the end, as in "{pattern}".'
    if needs_label:
        return ""
    item = f"[{{'{name}': '{root.joinpath(*folders)}'}}]"
    return f'DICOM is in it: name the folder of each series, as in --datalist "{item}".'


def _advise_numbers(paths: Mapping[str, Path], name: str, needs_label: bool) -> str:
    """Return a pattern for files that end with the number of a channel, or ""."""
    for numbered, label in NUMBERED.items():
        patterns = {str(number): numbered.replace("{channel}", str(number)) for number in range(10)}
        found = {number: match_files(paths, {name: pattern})[0] for number, pattern in patterns.items()}
        channels = [number for number, cases in found.items() if cases]
        labelled = f", 'label': '{label}'" if match_files(paths, {"label": label})[0] else ""
        if channels and (labelled or not needs_label):
            return (
                f"{len(found[channels[0]])} cases are numbered as in nnU-Net (channels {', '.join(channels)}), but no "
                "dataset.json names these modalities: give --layout a pattern per modality, with its number, as in "
                f"\"{{'{name}': '{patterns[channels[0]]}'{labelled}}}\"."
            )
    return ""


def _count(root: Path, names: Sequence[str], needs_label: bool, layout: str) -> int:
    """Count the cases that could be used with a layout."""
    try:
        found, doubtful = read_layout(root, names, needs_label, layout)
    except InputError:
        return 0
    return sum(
        case not in doubtful and any(name in files for name in names) and ("label" in files or not needs_label)
        for case, files in found.items()
    )
