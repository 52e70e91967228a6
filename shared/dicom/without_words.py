"""Keep values of tags out of the log."""

from __future__ import annotations

from contextlib import AbstractContextManager

from ..quiet import quiet

__all__ = ["without_words"]


def without_words() -> AbstractContextManager[None]:
    """Silence the warnings and notes of pydicom and highdicom, which quote values, such as the name of the patient."""
    return quiet("pydicom", "highdicom")
