"""Check packed bundles by the rules of the MONAI Model Zoo.

    python -m ci check-zoo --dist dist [--forward True] [--verify_bundle ZOO/ci/verify_bundle.py]

The table has a row per zip and a column per rule; the faults follow, one a line. Status 1 if there is one. A bundle
without models/model.pt is no fault, but the zoo then wants its name in a list of exceptions. The table has
"no model.pt" there, or "painted.pt" where these weights are included instead. `--forward True` also runs a network once
(`verify_net_in_out`) and scripts it, on the CPU. "traced only" means another list of exceptions. `--verify_bundle` also
runs the zoo's own script, which you have in a checkout of the zoo: everything but downloads, installs and GPUs.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import jsonschema

from ci.lint.merged_config import merged
from ci.lint.zoo_rules import ZOO_RULES, nan_mark
from ci.release.bundle_files import large_files
from ci.release.own_library import own_library
from ci.release.pack import check_weights
from ci.release.zoo_programs import SCHEMA, TRACED, by_verify_bundle, code, shapes, torchscript
from shared.errors import InputError

__all__ = ["REMARKS", "RULES", "check_zip"]

FILES = ["LICENSE", "configs/inference.json", "configs/logging.conf", "configs/train.json", "docs/README.md"]
FILES += ["docs/data_license.txt"]
TASKS = {"segmentation", "detection", "classification"}
VERSION = r"\d\.\d\.\d"  # MONAI sorts versions as text
LARGEST_MB = 25
NO_WEIGHTS, PAINTED = "no model.pt", "painted.pt"  # in place of model.pt
REMARKS = (NO_WEIGHTS, PAINTED, TRACED)  # no faults


def files(folder: Path) -> Iterator[str]:
    """The files that the zoo, MONAI Label and a reader look for; nothing that a run left."""
    yield from (f"{name} is missing" for name in FILES if not (folder / name).is_file())
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if {"eval", "__pycache__"} & {*place.parts[:-1]} or place.suffix in (".pyc", ".csv"):
            yield f"{place} was left by a run"
        if place.parts[0] != "models" and path.is_file() and path.stat().st_size > LARGEST_MB * 1e6:
            yield f"{place} is larger than {LARGEST_MB} MB"


def manifest(folder: Path) -> Iterator[str]:
    """The hashes of MANIFEST.json are those of the files."""
    path = folder / "docs" / "MANIFEST.json"
    if not path.is_file():
        yield "docs/MANIFEST.json is missing"
        return
    for name, digest in json.loads(path.read_text(encoding="utf-8"))["files"].items():
        if not (folder / name).is_file() or hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            yield f"{name} is not the file that docs/MANIFEST.json lists"


def weights(folder: Path) -> Iterator[str]:
    """Weights in models/ fit the network, or large_files.json says where they are and what their hash is."""
    for file, overlays in {"model.pt": (), PAINTED: ("painted_sizes",)}.items():
        if (folder / "models" / file).is_file() and (folder / "configs" / "inference.json").is_file():
            try:
                check_weights(folder, folder / "models" / file, overlays)
            except InputError as error:
                yield str(error)
    for entry in large_files(folder):
        if not re.fullmatch(r"https://\S+", entry.get("url") or "") or "drive.google" in entry["url"]:
            yield f"large_files.json: {entry.get('path')}: expected a stable https URL, got {entry.get('url')!r}"
        if entry.get("hash_type") != "sha256" or not re.fullmatch(r"[0-9a-f]{64}", entry.get("hash_val") or ""):
            yield f"large_files.json: {entry.get('path')}: needs a sha256"


def name(folder: Path) -> Iterator[str]:
    """MONAI Label reads the task from the folder's name."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", folder.name) or not TASKS & {*folder.name.split("_")}:
        yield f"{folder.name}: expected small letters, digits, underscores and one of {', '.join(sorted(TASKS))}"


def version(folder: Path) -> Iterator[str]:
    """The version sorts as text and is in the changelog; the pins can be installed."""
    metadata = _metadata(folder)
    number = metadata.get("version", "")
    if not re.fullmatch(VERSION, number):
        yield f"version {number!r}: expected three digits with points"
    if number not in metadata.get("changelog", {}):
        yield f"version {number!r} is not in the changelog"
    pins = {key: metadata.get(key, "") for key in ("monai_version", "pytorch_version", "numpy_version")}
    for package, pin in (pins | metadata.get("required_packages_version", {})).items():
        if not re.fullmatch(r"\d+(\.\d+)+", pin):
            yield f"{package}: {pin!r} is no exact version"


def metadata(folder: Path) -> Iterator[str]:
    """MONAI's schema of 2024-07-25, without a download."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    if not str(_metadata(folder).get("schema")).endswith(f"/{SCHEMA.name}"):
        yield f"schema: expected the address of {SCHEMA.name}, by which the zoo checks"
    for error in jsonschema.Draft201909Validator(schema).iter_errors(_metadata(folder)):
        yield f"{'.'.join(map(str, error.absolute_path)) or 'metadata.json'}: {error.message[:200]}"


def channels(folder: Path) -> Iterator[str]:
    """Input `image` and output `pred` come first, and every channel has a name."""
    formats = _metadata(folder).get("network_data_format", {})
    for kind, expected in (("inputs", "image"), ("outputs", "pred")):
        tensors = formats.get(kind, {})
        if next(iter(tensors), None) != expected:
            yield f"network_data_format: the first of {kind} is not {expected}"
        for key, tensor in tensors.items():
            if list(tensor.get("channel_def", {})) != [str(channel) for channel in range(tensor["num_channels"])]:
                yield f"network_data_format: {kind}: {key}: channel_def does not name {tensor['num_channels']} channels"


def configs(folder: Path) -> Iterator[str]:
    """The ids that the zoo, MONAI Label and MONAI Deploy read, and their traps."""
    for file in ("train.json", "inference.json"):
        if (folder / "configs" / file).is_file():
            config = merged([folder / "configs" / file])
            found = [fault for rule in ZOO_RULES if rule is not nan_mark for fault in rule(config)]
            yield from (f"{file}: {at}: {what}" for at, what in found)


RULES: list[Callable[[Path], Iterator[str]]] = [files, manifest, weights, name, version, metadata, channels, configs]


def _metadata(folder: Path) -> dict:
    return json.loads((folder / "configs" / "metadata.json").read_text(encoding="utf-8"))


def check_zip(path: Path, more: Sequence[Callable[[Path], Iterator[str]]] = ()) -> dict[str, list[str]]:
    """Return the faults of a packed bundle by rule.

    Args:
        path: of the zip.
        more: rules after RULES.

    Raises:
        InputError: the zip is damaged, or holds other than one bundle of its own name.
    """
    try:
        with tempfile.TemporaryDirectory() as temporary, zipfile.ZipFile(path) as archive:
            (root, *others) = {entry.split("/")[0] for entry in archive.namelist()} or {""}
            if others or not re.fullmatch(rf"{re.escape(root)}_v[\d.]+\.zip", path.name):
                raise InputError(f"{path}: expected one folder <name> in <name>_v<version>.zip.")
            archive.extractall(temporary)
            folder = Path(temporary).resolve() / root
            if not (folder / "configs" / "metadata.json").is_file():
                raise InputError(f"{path}: not a packed bundle, it has no configs/metadata.json.")
            with own_library(root):
                faults = {rule.__name__: list(rule(folder)) for rule in [*RULES, *more]}
            listed = [entry.get("path") for entry in large_files(folder)]
            if "models/model.pt" not in listed and not (folder / "models" / "model.pt").is_file():
                faults["weights"].append(PAINTED if (folder / "models" / PAINTED).is_file() else NO_WEIGHTS)
            return faults
    except zipfile.BadZipFile as error:
        raise InputError(f"{path}: not a zip ({error}); pack the bundle again.") from error
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: a file is no JSON ({error}); pack the bundle again.") from error


def main(dist: str = "dist", forward: bool = False, verify_bundle: str | None = None) -> None:
    """Check every packed bundle of a folder.

    Args:
        dist: folder of the zips.
        forward: also run each network once, and script it.
        verify_bundle: the zoo's own script, ci/verify_bundle.py in a checkout of it; with `forward` in its full mode.
    """
    script = None if verify_bundle is None else Path(verify_bundle)
    if script is not None and not script.is_file():
        raise InputError(f"--verify_bundle {script}: no such file; name ci/verify_bundle.py in a checkout of the zoo.")
    zips = sorted(Path(dist).glob("*_v*.zip"))
    if not zips:
        raise InputError(f"{dist}: no packed bundle (<name>_v<version>.zip) here; run `python -m ci pack --all` first.")
    more = [code, *([shapes, torchscript] if forward else [])]
    rows = {path.name: check_zip(path, more) for path in zips}
    columns = list(rows[zips[0].name])
    lines = [f"| zip | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    faults = []
    for zip_name, found in rows.items():
        wrong = {rule: [what for what in found[rule] if what not in REMARKS] for rule in columns}
        cells = [len(wrong[rule]) or (found[rule] or ["ok"])[0] for rule in columns]
        lines.append(f"| `{zip_name}` | {' | '.join(map(str, cells))} |")
        faults += [f"{zip_name}: {rule}: {what}" for rule in columns for what in wrong[rule]]
    for path in zips if script else []:
        outcome = by_verify_bundle(path, script, mode="full" if forward else "min")
        text = f"{path.name}: {script.name}: {outcome}"
        (lines if outcome.startswith("ok") else faults).append(text)
    print("\n".join([*lines, "", *faults, f"{len(zips)} bundles, {len(faults)} faults"]))
    sys.exit(1 if faults else 0)
