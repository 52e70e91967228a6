"""The commands: `python -m ci` lists them, `python -m ci <command> --help` explains one."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fire
from fire.decorators import SetParseFn
from fire.parser import DefaultParseValue

from shared.errors import InputError, install_excepthook
from shared.handlers.setting_paths import is_path_name

COMMANDS = {  # folder to its commands, each with its module
    "experiments": {
        "study": "study",
        "tables": "tables",
        "rank-agreement": "rank_agreement",
        "gradients": "gradients",
        "interactions": "interactions",
        "reliability": "reliability",
        "medsam": "medsam",
        "organisers-scores": "organisers_scores",
    },
    "prepare": {
        "paint-phantoms": "paint_phantoms",
        "phantom-moments": "phantom_moments",
        "draw-cases": "draw_cases",
        "convert-checkpoint": "convert_checkpoint",
        "derive-gland-regions": "derive_gland_regions",
    },
    "timing": {"benchmark": "benchmark", "step-times": "step_times", "study-times": "study_times"},
    "release": {
        "pack": "pack",
        "check-zoo": "check_zoo",
        "list-bundles": "list_bundles",
        "hub-folder": "hub_folder",
        "label-bundle": "label_bundle",
        "ship-weights": "ship_weights",
        "export": "export",
        "export-table": "export_table",
    },
    "dicom": {"dicom-inputs": "dicom_inputs"},
    "archive": {"serve-archive": "serve_archive"},
    "lint": {"lint": "lint_configs"},
    "documents": {"readme-commands": "readme_commands"},
}


def overview() -> str:
    """List the commands by folder, each with the first sentence of its module, which is read but not imported."""
    lines = ["python -m ci <command> [options]; python -m ci <command> --help explains a command."]
    for folder, modules in COMMANDS.items():
        lines.append(f"\n{folder}")
        for command, module in modules.items():
            text = (Path(__file__).parent / folder / f"{module}.py").read_text(encoding="utf-8")
            lines.append(f"  {command:22}{ast.get_docstring(ast.parse(text)).splitlines()[0]}")
    return "\n".join(lines)


def with_texts_as_typed(command: Callable[..., None], words: Sequence[str] = ()) -> Callable[..., None]:
    """Make Fire hand texts (folders, files, names) on as they are typed: it reads `2021` as a number, `a#b` as `a`.

    Args:
        command: the function; its annotations say what is a text.
        words: of the command line; settings of a bundle in it that hold paths are texts too, unless they are None or a
            dictionary.
    """
    for name in (word.lstrip("-").partition("=")[0].replace("-", "_") for word in words if word.startswith("--")):
        SetParseFn(_path_as_typed if is_path_name(name) else DefaultParseValue, name)(command)
    for parameter in inspect.signature(command).parameters.values():
        is_text = getattr(parameter.annotation, "__name__", str(parameter.annotation)) in ("str", "str | None")
        if parameter.kind is parameter.VAR_POSITIONAL and is_text:
            SetParseFn(str)(command)
        elif parameter.kind is not parameter.VAR_KEYWORD:
            SetParseFn(str if is_text else DefaultParseValue, parameter.name)(command)
    return command


def _path_as_typed(word: str) -> Any:
    value = DefaultParseValue(word)
    return value if value is None or isinstance(value, dict) else word


def main(arguments: Sequence[str]) -> None:
    """Run a command, or list all of them.

    Raises:
        InputError: there is no such command.
    """
    command, *options = arguments or ["--help"]
    if command in ("--help", "-h", "help"):
        print(overview())
        return
    modules = {name: f"ci.{folder}.{module}" for folder, found in COMMANDS.items() for name, module in found.items()}
    if command not in modules:
        raise InputError(f"{command}: no such command; choose one of {', '.join(modules)}.")
    module = importlib.import_module(modules[command])
    if "--help" in options or "-h" in options:
        print(module.__doc__)
    fire.Fire(with_texts_as_typed(module.main, options), options, name=command)


if __name__ == "__main__":
    install_excepthook()
    main(sys.argv[1:])
