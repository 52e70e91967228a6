"""State dicts in files of safetensors, with the settings of their training."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ..networks.exported_network import DESCRIPTION
from .model_settings import with_model_settings

__all__ = ["load_safetensors", "save_safetensors"]


def save_safetensors(path: Path, weights: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:
    """Write a state dict; the description, with its "model_settings", becomes a text of the file's metadata."""
    from safetensors.torch import save_file

    plain = {name: value.detach().cpu().contiguous().clone() for name, value in weights.items()}  # none shares memory
    save_file(plain, str(path), metadata={"format": "pt", DESCRIPTION: json.dumps(description)})


def load_safetensors(content: bytes) -> OrderedDict[str, Tensor]:
    """Read a state dict, with the settings of its training where the file has them.

    Raises:
        ImportError: the package safetensors is missing.
        Exception: the bytes are no such file.
    """
    from safetensors.torch import load

    weights = load(content)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    description = json.loads(header.get("__metadata__", {}).get(DESCRIPTION, "{}"))
    settings = description.get("model_settings")
    return OrderedDict(weights) if settings is None else with_model_settings(weights, settings)
