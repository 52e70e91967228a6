"""What no configuration may do, of whatever kind: each rule looks at one merged configuration.

Where a rule names a trap, it is one of MONAI 1.6.1 that raises far from its cause, or never.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import re

from monai.bundle.config_item import ConfigComponent
from monai.bundle.reference_resolver import ReferenceResolver

from ci.lint.config_files import absolute_paths, expression_tree
from ci.lint.config_targets import arguments_of, locate_target, modules_of
from ci.lint.merged_config import Config, Faults, is_literal, located, reference_of
from shared.handlers import unknown_settings

__all__ = ["CONFIG_RULES"]


def target(config: Config) -> Faults:
    """A `_target_` must exist, and be reached by its module where MONAI has several of that name."""
    for at, component in config.components:
        name = component["_target_"]
        found, reason = locate_target(name) if is_literal(name) else (name, "")
        if found is None:
            yield at, f"{name}: {reason}"
        elif len(modules_of(name)) > 1:
            yield at, f"{name}: MONAI has several ({', '.join(modules_of(name))}); write the one with its module"


def argument(config: Config) -> Faults:
    """A target must take every argument that it is given, and be given all that it needs (unless a note holds it)."""
    for at, component in config.components:
        found = located(component["_target_"])
        if found is None:
            continue
        taken, needed = arguments_of(found)
        given = component.keys() - ConfigComponent.non_arg_keys
        for name in sorted(given - taken) if taken is not None else ():
            yield at, f"{component['_target_']} takes no argument {name!r}; it takes {', '.join(sorted(taken))}"
        is_built = component.get("_mode_", "default") == "default" and not at.startswith("_")
        for name in sorted(needed - given) if is_built else ():
            yield at, f"{component['_target_']} needs the argument {name!r}"


def reference(config: Config) -> Faults:
    """What `@` names must exist, and not be the reference itself."""
    for at, text in config.texts:
        for name in ReferenceResolver.match_refs_pattern(text):
            if name not in config.values or not name:
                yield at, f"@{name} is not defined"
        if reference_of(text) is not None and at == _end_of_chain(config, at):
            yield at, f"{text} leads back to itself"


def _end_of_chain(config: Config, at: str) -> str:
    """Follow bare references from an id to the first that is none, or that was passed before."""
    passed = []
    while at not in passed and reference_of(config.values.get(at)) is not None:
        passed.append(at)
        at = reference_of(config.values[at])
    return at


def unused(config: Config) -> Faults:
    """A top-level key must be used: a bundle refuses others as misspelt."""
    for key in unknown_settings(config.items):
        yield key, "nothing refers to this key; remove it or begin its name with _"


def expression(config: Config) -> Faults:
    """A `$` expression must parse, import what exists, and name only what is imported."""
    known = {"monai", "torch", "np", "numpy", "_reference", *dir(builtins)}
    trees: list[tuple[str, ast.AST]] = []
    for at, text in config.expressions:
        try:
            trees.append((at, expression_tree(text)))
        except SyntaxError as error:
            yield at, f"{text}: {error.msg}"
    for at, tree in trees:
        for statement in (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)):
            first = statement.names[0]
            known.add(first.asname or first.name)
            try:
                module = importlib.import_module(getattr(statement, "module", None) or first.name)
                if isinstance(statement, ast.ImportFrom):
                    getattr(module, first.name)
            except (ImportError, AttributeError) as error:
                yield at, str(error)
    for at, tree in trees:
        named = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        bound = {node.id for node in named if isinstance(node.ctx, ast.Store)}
        bound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
        for name in sorted({node.id for node in named} - bound - known):
            yield at, f"{name} is not imported; add '$import {name}' to imports"


def import_word(config: Config) -> Faults:
    """Trap: an expression with an `@` that holds the letters of "import" anywhere is a bare SyntaxError."""
    for at, text in config.expressions:
        if "import" in text and "@" in text:
            yield at, f"{text}: MONAI takes this for an import statement; avoid these letters beside an @"


def shared_in_expression(config: Config) -> Faults:
    """Shared code is reached by `_target_` only, since packing rewrites nothing else."""
    for at, text in config.expressions:
        if re.search(r"\bshared\b", text):
            yield at, f"{text}: reach shared code through _target_ (_mode_: callable for a function)"


def absolute_path(config: Config) -> Faults:
    """No path of one machine."""
    for at, text in config.texts:
        for path in absolute_paths(text):
            yield at, f"{path!r} is an absolute path; write it relative to @bundle_root"


def macro(config: Config) -> Faults:
    """The path in a `%` macro depends on the working directory."""
    for at, text in config.texts:
        if text.startswith("%"):
            yield at, f"{text}: write the value or a reference (@) instead of a macro"


def special_key(config: Config) -> Faults:
    """Trap: any text but "true" leaves a component enabled; disabled, it vanishes inline but is None by reference."""
    referenced = {name for _, text in config.texts for name in ReferenceResolver.match_refs_pattern(text)}
    for at, component in config.components:
        disabled = component.get("_disabled_", False)
        if isinstance(disabled, str) and is_literal(disabled) and disabled.lower() not in {"true", "false"}:
            yield at, f"_disabled_ is {disabled!r}; write true, false or an expression"
        if disabled is not False and at in referenced:
            yield at, f"@{at} is None where _disabled_ holds; put the component inline where it is used"
        if component.get("_mode_", "default") not in {"default", "callable"}:
            yield at, f"_mode_ is {component['_mode_']!r}; write default or callable"


CONFIG_RULES = [
    target,
    argument,
    reference,
    unused,
    expression,
    import_word,
    shared_in_expression,
    absolute_path,
    macro,
    special_key,
]
