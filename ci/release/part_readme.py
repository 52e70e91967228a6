"""Write the README of a package of parts: how to use each one, and the papers that they come from."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ci.lint.config_files import bundles_below
from ci.release.import_closure import definition

__all__ = ["part_readme"]

SENTENCE_END = re.compile(r"(?<=[.])(?<!et al\.)(?<!Eq\.)(?<!Fig\.)(?<!Sec\.)\s+(?=[A-Z`\"])|\n\s*\n")
YEAR = re.compile(r"\b(?:19|20)\d\d\b")
TITLE = re.compile(r'"([^"]{20,})"')
AUTHORS_AND_YEAR = re.compile(rf"([A-Z]\w+)(?: et al\.| and [A-Z]\w+),? (?:[A-Z]\w+ )?({YEAR.pattern})")


def part_readme(root: Path, parts: Sequence[str], files: Mapping[Path, bytes], package: str, archive: str) -> str:
    """Return the README.

    Args:
        root: folder that holds ``shared/`` and ``bundles/``.
        parts: dotted names of what is packed on purpose.
        files: of the package, by their path below `root`.
        package: its name.
        archive: file name of the package.
    """
    usage = [_usage(root, part, package) for part in parts]
    references, sentences = _sources(root, files)
    lines = [f"# {package}", "", "Parts of a collection of MONAI bundles for medical image segmentation.", ""]
    lines += ["## Use", "", "```bash", f"pip install {archive}", "```", ""]
    for line, summary in usage:
        lines += [summary, "", "```python", line, "```", ""]
    lines += ["What these parts need is in the package as well. Its tests run in the unpacked folder:", ""]
    lines += ["```bash", 'pip install ".[test]"', "python -m pytest tests", "```", ""]
    lines += ["## Citation", "", "Please cite the papers of the methods that you use.", ""]
    lines += [*(f"- {reference}" for reference in references), ""]
    lines += ["What the modules take from them, and from others:", "", *(f"- {sentence}" for sentence in sentences), ""]
    lines += ["## Licence", "", "Apache-2.0, see LICENSE.", ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def _usage(root: Path, part: str, package: str) -> tuple[str, str]:
    """Return the line that imports a part, with its arguments, and the first sentence of its docstring."""
    module, attribute = definition(root, part)
    folder, _, name = part.rpartition(".")
    tree = ast.parse(root.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8"))
    found = next((node for node in tree.body if attribute and getattr(node, "name", "") == attribute), tree)
    line = f"from {package}{folder.removeprefix('shared')} import {name}"
    makes = next((item for item in getattr(found, "body", []) if getattr(item, "name", "") == "__init__"), found)
    if isinstance(makes, ast.FunctionDef):
        constants = {ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)}
        for argument in [node for node in ast.walk(makes.args) if isinstance(node, ast.arg)]:
            argument.annotation = None
        makes.args.defaults = [constants.get(ast.unparse(value), value) for value in makes.args.defaults]
        line += f"  # {name}({ast.unparse(makes.args).removeprefix('self').removeprefix(', ')})"
    documented = isinstance(found, (ast.Module, ast.ClassDef, ast.FunctionDef))
    summary = (ast.get_docstring(found) if documented else None) or ast.get_docstring(tree) or ""
    return line, f"`{name}`: {' '.join(summary.split(chr(10) * 2)[0].split())}"


def _sources(root: Path, files: Mapping[Path, bytes]) -> tuple[list[str], list[str]]:
    """Return the papers that the modules cite, as the bundles list them, and the sentences that have a year."""
    listed: list[str] = []
    for bundle in bundles_below(root):
        listed += json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8")).get("references", [])
    cited, sentences = set(), []
    for file, content in files.items():
        for name, docstring in _docstrings(file, content):
            text = " ".join(docstring.split())
            titles = [title.rstrip(",.") for title in TITLE.findall(text)]
            cited |= {entry for entry in listed if any(title in entry for title in titles)}
            authors = AUTHORS_AND_YEAR.findall(text)
            cited |= {
                entry for entry in listed if any(entry.startswith(who) and year in entry for who, year in authors)
            }
            found = (" ".join(sentence.split()) for sentence in SENTENCE_END.split(docstring))
            sentences += [f"`{name}`: {sentence}" for sentence in found if YEAR.search(sentence)]
    return [entry for entry in dict.fromkeys(listed) if entry in cited], sentences


def _docstrings(file: Path, content: bytes) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and (text := ast.get_docstring(node)):
            yield getattr(node, "name", file.stem), text
