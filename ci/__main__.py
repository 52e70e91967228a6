"""The commands: `python -m ci` lists them, `python -m ci <command> --help` explains one."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

import fire

from shared.errors import InputError, install_excepthook

COMMANDS = {  # folder to its commands, each with its module
    "experiments": {"study": "study", "tables": "tables", "gradients": "gradients", "interactions": "interactions"},
    "prepare": {
        "paint-phantoms": "paint_phantoms",
        "convert-checkpoint": "convert_checkpoint",
        "derive-gland-regions": "derive_gland_regions",
    },
    "timing": {"benchmark": "benchmark", "step-times": "step_times"},
    "release": {"pack": "pack"},
    "lint": {"lint": "lint_configs"},
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
    fire.Fire(module.main, options, name=command)


if __name__ == "__main__":
    install_excepthook()
    main(sys.argv[1:])
