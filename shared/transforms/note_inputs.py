"""Remember which files a case was read from, and when."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import ensure_tuple

__all__ = ["NoteInputsd"]


class NoteInputsd(MapTransform):
    """Add "inputs", a JSON text for the record that `SaveImageCased` writes.

    It holds "files" ({modality: path or [path, channel]}) and "begun" (seconds since 1970). Runs before the files are
    read, since their names are lost when the modalities are stacked; a text goes through a data loader unchanged. What
    is no path (arrays that MONAI Deploy brings) is not noted. A `MapTransform`, since Deploy's bundle operator hands
    dictionaries only to a chain that begins with one.

    Args:
        modalities: names of the modalities.
        extra_keys: further entries that name files.
    """

    def __init__(self, modalities: KeysCollection, extra_keys: KeysCollection = ("image", "brain")) -> None:
        super().__init__((*ensure_tuple(modalities), *ensure_tuple(extra_keys)), allow_missing_keys=True)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        files = {str(key): _plain(data[key]) for key in self.keys if _names_files(data.get(key))}
        return {**data, "inputs": json.dumps({"files": files, "begun": time.time()})}


def _names_files(source: Any) -> bool:
    """Whether it is a path, [path, channel] or a list of paths (None for an absent modality)."""
    if isinstance(source, (list, tuple)):
        return len(source) > 0 and all(part is None or isinstance(part, (str, os.PathLike, int)) for part in source)
    return isinstance(source, (str, os.PathLike))


def _plain(source: Any) -> Any:
    if isinstance(source, (list, tuple)):
        return [_plain(part) for part in source]
    return str(source) if isinstance(source, os.PathLike) else source
