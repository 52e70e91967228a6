"""Pack a bundle with its shared code into a zip that runs alone; or some parts, for pip.

    python -m ci pack bundles/<name> --out dist [--weights FILE]
    python -m ci pack --all --out dist
    python -m ci pack --parts shared.losses.ParetoFuzzyLoss,shared.networks.CLoE --name my_parts --out dist

The code goes to <name>/<name>_lib/, since two bundles in one process would otherwise get the first one's. Every
component from there requires `add_bundle_to_path`, which puts the bundle on `sys.path`, whichever way the bundle is
entered. The same files give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ci.lint.config_files import bundles_below, config_paths, read_json, texts
from ci.release.bundle_files import own_files
from ci.release.import_closure import import_closure
from ci.release.library_configs import custom_targets, packed_config
from ci.release.pack_parts import pack_parts
from ci.release.write_zip import write_zip
from shared.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
FOR_PROGRAMS = ["shared.inferers.Segmenter"]  # what no configuration names


def packed_files(bundle: Path) -> dict[str, bytes]:
    """Return {path in the bundle: content} of a packed bundle without weights and manifest."""
    library, root = f"{bundle.name}_lib", bundle.parents[1]
    names: set[str] = set().union(*(custom_targets(read_json(path)[0]) for path in config_paths(bundle)))
    files = {path.relative_to(bundle).as_posix(): path.read_bytes() for path in own_files(bundle)}
    if names:
        names |= {name for name in FOR_PROGRAMS if (root / Path(*name.split(".")[:-1], "segmenter.py")).is_file()}
        for path in config_paths(bundle):
            files[f"configs/{path.name}"] = packed_config(path, library)
        for file, content in import_closure(root, names).items():
            files[f"{library}/{file.relative_to('shared').as_posix()}"] = content
    for path in [path for path in files if path.endswith(".md")]:
        files[path] = with_links_into_the_zip(files[path].decode(), path, library, files).encode()
    return files


def with_links_into_the_zip(text: str, path: str, library: str, files: Mapping[str, bytes]) -> str:
    """Turn a document's links to `shared/` into links to `library`, and those to what is not packed into plain text."""
    above = "../" * (path.count("/") + 2)

    def changed(link: re.Match) -> str:
        target = f"{library}/{link[2]}"
        is_there = target in files or any(name.startswith(f"{target.rstrip('/')}/") for name in files)
        return f"[{link[1]}]({above[6:]}{target})" if is_there else link[1]

    return re.sub(rf"\[([^]]*)\]\({re.escape(above)}shared/([^)#]*)[^)]*\)", changed, text)


def manifest(bundle: Path, files: Mapping[str, bytes]) -> dict[str, Any]:
    """List what a hospital wants to see before it accepts a bundle: hashes, code, custom targets, expressions."""
    configs = [json.loads(files[f"configs/{path.name}"]) for path in config_paths(bundle)]
    strings = {text for config in configs for _, text in texts(config)}
    return {
        "name": bundle.name,
        "version": json.loads(files["configs/metadata.json"])["version"],
        "files": {path: hashlib.sha256(files[path]).hexdigest() for path in sorted(files)},
        "modules": sorted(path for path in files if path.endswith(".py")),
        "custom_targets": sorted(text for text in strings if text.startswith(f"{bundle.name}_lib.")),
        "expressions": sorted(text for text in strings if text.startswith("$")),
    }


def network_of(bundle: Path, overlays: Sequence[str] = ()) -> Any:
    """Build the network of a bundle's inference.json, with overlays."""
    from ci.experiments.config_files import configuration_with

    parser = configuration_with(bundle, ["inference", *overlays], {}, ())
    return parser.get_parsed_content("network_def")


def check_weights(bundle: Path, weights: Path, overlays: Sequence[str] = ()) -> None:
    """Refuse weights that are no plain state dict of the bundle's network.

    Args:
        bundle: its folder.
        weights: the file.
        overlays: configurations after inference.json that set the network's sizes.

    Raises:
        InputError: the file is missing, unreadable, or of another network.
    """
    import torch

    if not weights.is_file():
        raise InputError(f"{weights}: no such file; name a trained model.pt with --weights.")
    try:
        saved = torch.load(weights, map_location="cpu", weights_only=True)
    except Exception as error:  # each damaged byte raises something else
        raise InputError(f"{weights}: not a file of plain tensors (weights_only=True fails).") from error
    try:
        network_of(bundle, overlays).load_state_dict(saved)
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{weights}: does not fit network_def of {bundle.name}: {reason[:200]}") from error


def listed_at(address: str, files: Mapping[str, bytes]) -> str:
    """Write the large_files.json with which MONAI's `download_large_files` fetches files from an address.

    MONAI reads YAML as well, but needs one more package for it.
    """
    entries = [
        {
            "path": path,
            "url": f"{address.rstrip('/')}/{Path(path).name}",
            "hash_val": hashlib.sha256(files[path]).hexdigest(),
            "hash_type": "sha256",
        }
        for path in sorted(files)
    ]
    return json.dumps({"large_files": entries}, indent=4) + "\n"


def pack(bundle: Path, out: Path, weights: Path | None = None, large_files: str | None = None) -> Path:
    """Make ``<out>/<name>_v<version>.zip`` of a bundle and return its path.

    Args:
        bundle: folder in ``bundles/``, next to ``shared/``.
        out: folder for the zip.
        weights: file that becomes ``models/model.pt``.
        large_files: address of a folder for the weights, which ``large_files.json`` then lists; they are not packed.

    Raises:
        InputError: no such bundle; an absolute path in a configuration; weights that do not fit; none to list.
    """
    bundle = bundle.resolve()
    if not (bundle / "configs" / "metadata.json").is_file():
        raise InputError(f"{bundle}: not a bundle, it has no configs/metadata.json.")
    files = packed_files(bundle)
    if weights is not None:
        check_weights(bundle, weights)
        files["models/model.pt"] = weights.read_bytes()
    if large_files is not None:
        models = {path: files.pop(path) for path in [*files] if path.startswith("models/")}
        if not models:
            raise InputError(f"{bundle}: has no weights to list; name them with --weights.")
        files["large_files.json"] = listed_at(large_files, models).encode()
    listed = manifest(bundle, files)
    files["docs/MANIFEST.json"] = (json.dumps(listed, indent=2, ensure_ascii=False) + "\n").encode()
    path = out / f"{bundle.name}_v{listed['version']}.zip"
    write_zip(path, bundle.name, files)
    return path


def main(
    *bundles: str,
    all: bool = False,
    out: str = "dist",
    weights: str | None = None,
    large_files: str | None = None,
    parts: str | None = None,
    name: str | None = None,
    version: str | None = None,
) -> None:
    """Pack bundles, or parts.

    Args:
        bundles: folders, such as bundles/<name>.
        all: every bundle of the repository.
        out: folder for the zips.
        weights: trained weights of one bundle, which become models/model.pt.
        large_files: https address of a folder with the weights, which large_files.json then lists instead, with sha256.
        parts: names with commas, such as shared.losses.ParetoFuzzyLoss,shared.networks.CLoE, instead of bundles.
        name: of the package of parts.
        version: of the package of parts, 0.1.0 by default.
    """
    if parts is not None or name is not None or version is not None:
        others = bundles or all or large_files is not None or weights is not None
        if others or parts is None or name is None:
            raise InputError("--parts, --name and --version make a package of parts: give parts and name, no bundle.")
        chosen_parts = [part.strip() for part in parts.split(",") if part.strip()]
        print(pack_parts(ROOT, chosen_parts, name, version or "0.1.0", Path(out)))
        return
    chosen = [*map(Path, bundles), *(bundles_below(ROOT) if all else [])]
    if not chosen:
        raise InputError("nothing to pack; name a folder (bundles/<name>) or say --all.")
    if weights is not None and len(chosen) > 1:
        raise InputError("--weights belong to one bundle; name that one alone.")
    if large_files is not None and not large_files.startswith("https://"):
        raise InputError(f"--large_files {large_files}: expected the https address of a folder for the weights.")
    for bundle in chosen:
        print(pack(bundle, Path(out), None if weights is None else Path(weights), large_files))
