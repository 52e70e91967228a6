"""What packing a bundle, or parts of `shared/`, leaves in the zip; a change to one of a bundle's configurations."""

import json
import zipfile

from ci.release.pack import pack
from ci.release.pack_parts import pack_parts


def unpacked(bundle, tmp_path, **options):
    """Pack, and return {path below the bundle's folder: content}."""
    with zipfile.ZipFile(pack(bundle, tmp_path / "dist", **options)) as archive:
        return {name.removeprefix(f"{bundle.name}/"): archive.read(name) for name in archive.namelist()}


def unpacked_parts(root, tmp_path, *parts, **options):
    """Pack parts, and return {path below the package's folder: text}."""
    path = pack_parts(root, parts, **{"name": "my_parts", "version": "0.1.0", "out": tmp_path / "dist", **options})
    with zipfile.ZipFile(path) as archive:
        return {name.removeprefix("my_parts-0.1.0/"): archive.read(name).decode() for name in archive.namelist()}


def change_config(bundle, name, **changes):
    path = bundle / "configs" / f"{name}.json"
    config = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(config | changes))
    return path
