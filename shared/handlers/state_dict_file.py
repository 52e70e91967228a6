"""Read a checkpoint file without running code that is in it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError
from .safetensors_file import load_safetensors

__all__ = ["load_tensors", "read_file"]


def read_file(path: Path, remedy: str) -> bytes:
    """Read a checkpoint's bytes.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint; {remedy}")
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: not a readable checkpoint ({error.strerror}); {remedy}") from error


def load_tensors(content: bytes, path: Path, remedy: str) -> Any:
    """Read a file of plain tensors, pickled or `.safetensors`, onto the CPU.

    Args:
        content: the bytes of the file.
        path: named in errors.
        remedy: end of the errors' text.

    Raises:
        InputError: the file is damaged, or holds Python objects other than tensors, numbers, texts and containers; the
            package that reads it is missing.
    """
    try:
        if path.suffix == ".safetensors":
            return load_safetensors(content)
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # each damaged byte raises something else: KeyError, IndexError, struct.error, ...
        reason = "truncated?"
        if "Unsupported global: GLOBAL" in str(error):
            name = str(error).split("Unsupported global: GLOBAL ")[1].split()[0]
            reason = f"it holds a {name}, only tensors are read; save network.state_dict()"
        elif isinstance(error, ModuleNotFoundError):
            reason = f"reading it needs the package {error.name}; install it with pip"
        elif "TorchScript" in str(error):
            reason = "a TorchScript archive; the state dict is needed"
        raise InputError(f"{path}: not a readable checkpoint ({reason}); {remedy}") from error
