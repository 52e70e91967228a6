"""List packed bundles: bundles.json for programs, release_notes.md for readers.

    python -m ci list-bundles --dist dist

Both files are written into the folder of the zips. `bundles.json` has an entry per zip: name, version, title, task,
input and output with their channels, modalities, classes, scores where the metadata state some, packages, weights with
their sha256, and the sha256 of the zip. The release notes are the changelogs of the metadata, newest version first.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from pathlib import Path
from typing import Any

from shared.atomic_write import atomic_write
from shared.errors import InputError

__all__ = ["bundle_entry", "release_notes"]


def bundle_entry(path: Path) -> dict[str, Any]:
    """Describe a packed bundle.

    Raises:
        InputError: the zip is damaged, or holds no bundle.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            (place,) = [name for name in names if re.fullmatch(r"[^/]+/configs/metadata\.json", name)]
            folder = place.split("/")[0]
            metadata, config = (_json(archive, f"{folder}/configs/{name}.json") for name in ("metadata", "inference"))
            weights = _weights(archive, folder, names)
    except (zipfile.BadZipFile, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a packed bundle ({error}); pack it again.") from error
    formats = metadata["network_data_format"]
    return {
        "name": folder,
        "version": metadata["version"],
        "title": metadata["name"],
        "task": metadata["task"],
        "inputs": {name: _tensor(tensor) for name, tensor in formats["inputs"].items()},
        "outputs": {name: _tensor(tensor) for name, tensor in formats["outputs"].items()},
        "modalities": config.get("modalities", []),
        "classes": config.get("class_names", []),
        "label_classes": metadata["label_classes"],
        "scores": metadata.get("eval_metrics", {}),
        "intended_use": metadata["intended_use"],
        "packages": {
            "monai": metadata["monai_version"],
            "torch": metadata["pytorch_version"],
            "numpy": metadata["numpy_version"],
            **metadata["required_packages_version"],
        },
        "weights": weights,
        "zip": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "changelog": metadata["changelog"],
    }


def _json(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    return json.loads(archive.read(name))


def _tensor(tensor: dict[str, Any]) -> dict[str, Any]:
    kept = ("modality", "num_channels", "spatial_shape", "dtype")
    return {key: tensor[key] for key in kept if key in tensor} | {"channels": list(tensor["channel_def"].values())}


def _weights(archive: zipfile.ZipFile, folder: str, names: list[str]) -> dict[str, str]:
    """Return {path: sha256} of the weights in the zip and of those that large_files.json lists."""
    found = {
        name.partition("/")[2]: hashlib.sha256(archive.read(name)).hexdigest()
        for name in names
        if name.startswith(f"{folder}/models/")
    }
    if f"{folder}/large_files.json" in names:
        listed = _json(archive, f"{folder}/large_files.json")["large_files"]
        found |= {entry["path"]: entry["hash_val"] for entry in listed}
    return found


def release_notes(bundles: list[dict[str, Any]]) -> str:
    """Return the changelogs of bundles as Markdown."""
    lines = ["# Release notes"]
    for bundle in bundles:
        lines += ["", f"## {bundle['title']}", "", f"`{bundle['name']}`, {bundle['zip']}", ""]
        lines += [f"- **{number}**: {text}" for number, text in sorted(bundle["changelog"].items(), reverse=True)]
    return "\n".join(lines) + "\n"


def main(dist: str = "dist") -> None:
    """Write the two files.

    Args:
        dist: folder of the zips.
    """
    zips = sorted(Path(dist).glob("*_v*.zip"))
    if not zips:
        raise InputError(f"{dist}: no packed bundle (<name>_v<version>.zip) here; run `python -m ci pack --all` first.")
    bundles = [bundle_entry(path) for path in zips]
    contents = {"bundles.json": json.dumps(bundles, indent=2, ensure_ascii=False) + "\n"}
    contents["release_notes.md"] = release_notes(bundles)
    for name, text in contents.items():
        with atomic_write(Path(dist) / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(Path(dist) / name)
