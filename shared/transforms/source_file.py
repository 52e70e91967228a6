"""The name that an error message gives to an image."""

from __future__ import annotations

from typing import Any

__all__ = ["source_file"]


def source_file(image: Any, otherwise: Any) -> str:
    """Return the file that an image was read from, or `otherwise` (its key) where it does not say."""
    return str(getattr(image, "meta", {}).get("filename_or_obj", otherwise))
