"""The name that an error message gives to an image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["CHANNEL_SOURCES", "channel_sources", "source_file", "source_of_channel"]

CHANNEL_SOURCES = "channel_sources"  # key of an image's metadata: JSON text, one name per channel


def source_file(image: Any, otherwise: Any) -> str:
    """Return the file that an image was read from, or `otherwise` (its key) where it does not say."""
    return str(getattr(image, "meta", {}).get("filename_or_obj", otherwise))


def channel_sources(sources: Mapping[Any, str]) -> dict[str, str]:
    """Return metadata that `source_of_channel` understands.

    Args:
        sources: {modality: file} in the order of the channels; the modality again where there is no file.
    """
    names = [str(name) if source == str(name) else f"{source} ({name})" for name, source in sources.items()]
    return {CHANNEL_SOURCES: json.dumps(names)}


def source_of_channel(image: Any, channel: int) -> str:
    """Return file and modality of a channel of an image that `StackModalitiesd` made; else the image's file."""
    names = getattr(image, "meta", {}).get(CHANNEL_SOURCES)
    if names is None:
        return f"{source_file(image, 'image')} (channel {channel})"
    return json.loads(names)[channel]
