"""What packing a bundle leaves in the zip, and a change to one of its configurations."""

import json
import zipfile

from ci.release.pack import pack


def unpacked(bundle, tmp_path, **options):
    """Pack, and return {path below the bundle's folder: content}."""
    with zipfile.ZipFile(pack(bundle, tmp_path / "dist", **options)) as archive:
        return {name.removeprefix(f"{bundle.name}/"): archive.read(name) for name in archive.namelist()}


def change_config(bundle, name, **changes):
    path = bundle / "configs" / f"{name}.json"
    config = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(config | changes))
    return path
