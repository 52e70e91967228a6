"""The configuration files of a bundle, by their names, and settings of a command in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from shared.errors import InputError
from shared.handlers.setting_paths import refuse_bad_paths


def config_files(bundle: Path, names: Sequence[str], setting: str) -> list[str]:
    """Return the paths of a bundle's configurations.

    Args:
        bundle: its folder.
        names: without folder and suffix, such as "train".
        setting: what named the overlays, for the error.

    Raises:
        InputError: one is missing.
    """
    files = [str(bundle / "configs" / f"{name}.json") for name in names]
    if absent := [file for file in files if not Path(file).is_file()]:
        raise InputError(f"{absent[0]}: no such file; correct --bundle or {setting}.")
    return files


def overlay_names(overlays: Any) -> list[str]:
    """Return the names in `--overlays`: a text with commas, or the tuple that fire makes of it."""
    texts = [overlays] if isinstance(overlays, str) else overlays
    return [name.strip() for text in texts for name in text.split(",") if name.strip()]


def configuration_with(
    bundle: Path, names: Sequence[str], settings: Mapping[str, Any], set_here: Collection[str]
) -> ConfigParser:
    """Return a bundle's configuration with settings of the command line.

    Args:
        bundle: its folder.
        names: of its configurations, the overlays last.
        settings: of the bundle.
        set_here: settings that the command sets itself.

    Raises:
        InputError: no such configuration or setting, a setting in `set_here`, or a path that cannot be one.
    """
    files = config_files(bundle, names, "--overlays")
    parser = ConfigParser(ConfigParser.load_config_files(files))
    for name, value in settings.items():
        if name in set_here:
            raise InputError(f"--{name}: is set by this command; leave it out.")
        if name not in parser:
            raise InputError(f"--{name}: no such setting of {bundle.name}; correct it.")
        parser[name] = value
    parser["bundle_root"] = str(bundle)
    refuse_bad_paths(parser, [ConfigParser.load_config_file(file) for file in files])
    return parser
