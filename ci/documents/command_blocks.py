"""The blocks of commands in a Markdown document."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Block", "blocks_of", "settings_of"]

FENCE = re.compile(r"^```(\w*)$")
INDENT = "    "
SETTING = r"(?:source \S+|[A-Z]\w*=(?:\(.*\)|[^\s;(]+))"
SETTINGS = re.compile(rf"{SETTING}(?:; *{SETTING})*")


@dataclass(frozen=True)
class Block:
    """A fenced or indented block.

    Attributes:
        line: number of its first line, from 1.
        language: behind the fence; "" without a word, "bash" for an indented block.
        text: its lines.
    """

    line: int
    language: str
    text: str

    @property
    def shown(self) -> str:
        """The command in one line, without lines that only set something if there are others."""
        lines = joined(self.text)
        return "; ".join([line for line in lines if not SETTINGS.fullmatch(line)] or lines)


def blocks_of(markdown: str) -> list[Block]:
    """Return all blocks, in their order. A block is indented by four spaces, behind an empty line, or fenced."""
    found: list[Block] = []
    language, collected, begun, before = None, [], 0, ""
    for number, line in enumerate([*markdown.splitlines(), ""], start=1):
        fence, is_indented = FENCE.match(line), line.startswith(INDENT)
        if language is None and fence:
            language, collected, begun = fence[1], [], number + 1
        elif language not in (None, INDENT):
            if line == "```":
                found.append(Block(begun, language, "\n".join(collected)))
                language = None
            else:
                collected.append(line)
        elif language is None and is_indented and not before.strip():
            language, collected, begun = INDENT, [line.removeprefix(INDENT)], number
        elif language == INDENT and is_indented:
            collected.append(line.removeprefix(INDENT))
        elif language == INDENT:
            found.append(Block(begun, "bash", "\n".join(collected)))
            language = None
        before = line
    return found


def joined(text: str) -> list[str]:
    """Return the commands of a block, those that a backslash continues in one line."""
    return [line.strip() for line in re.sub(r"\s*\\\n\s*", " ", text).splitlines() if line.strip()]


def settings_of(text: str) -> list[str]:
    """Return the lines of a block that only set variables or read a file of settings: later blocks need them, too."""
    return [line for line in joined(text) if SETTINGS.fullmatch(line)]
