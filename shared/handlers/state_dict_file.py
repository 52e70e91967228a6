"""Find a network's weights in a file of tensors, with any prefix or wrapper."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..errors import InputError
from .safetensors_file import load_safetensors

__all__ = ["FoundWeights", "bare", "find_weights", "load_tensors", "read_file"]

# Names under which programs nest a state dict, and prefixes of modules that hold a network; the first one is preferred.
KNOWN = ("state_dict", "network", "model", "net", "model_state_dict", "network_weights", "module", "objects")
COMPILED = "_orig_mod."  # torch.compile adds it before the names of the module that it wraps
DEEPEST = 4
REMEDY = "use this bundle's own weights, or the settings of the network that was trained."


class FoundWeights(NamedTuple):
    """A state dict that fits a network.

    Attributes:
        weights: name to tensor, with the names of the network.
        place: keys that lead to the state dict in the file, joined by dots; empty if the file is the state dict.
        prefix: text that was removed from the beginning of the names.
        left_out: entries that do not belong to the network.
        metadata: what the state dict stores next to its tensors.
    """

    weights: dict[str, Tensor]
    place: str
    prefix: str
    left_out: list[str]
    metadata: Mapping[str, Any]


def bare(module: Any) -> Any:
    """Return what DistributedDataParallel or torch.compile wraps, or the object itself."""
    module = getattr(module, "module", module)
    return getattr(module, "_orig_mod", module)


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


def find_weights(content: Any, expected: Mapping[str, Tensor], path: Path) -> FoundWeights:
    """Find the state dict that has the names and shapes of a network.

    A state dict may be nested in dictionaries, and all its names may share one prefix ("module.", "_orig_mod.",
    "network.", ...). Entries outside of the prefix, and entries that are no tensors, are left out.

    Args:
        content: what the file holds.
        expected: state dict of the network.
        path: named in errors.

    Raises:
        InputError: nothing fits, or several state dicts fit equally well; says how many entries differ.
    """
    candidates = [
        _cut(place, entries, prefix)
        for place, entries in _state_dicts(content)
        for prefix in sorted(_prefixes(entries, expected))
    ]
    if not candidates:
        raise InputError(
            f"{path}: weights of another network: the file holds no state dict; save network.state_dict()."
        )
    fitting = sorted((found for found in candidates if _fits(found.weights, expected)), key=_rank)
    if not fitting:
        nearest = max(candidates, key=lambda found: _likeness(found.weights, expected))
        raise InputError(f"{path}: weights of another network: {_differences(nearest, expected)}; {REMEDY}")
    if len(fitting) > 1 and _rank(fitting[0]) == _rank(fitting[1]):
        names = " and ".join(repr(".".join(filter(None, (found.place, found.prefix)))) for found in fitting[:2])
        raise InputError(f"{path}: holds several state dicts that fit, {names}; save the one that is meant alone.")
    return fitting[0]


def _state_dicts(content: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Walk over the dictionaries that hold tensors under texts."""
    if not isinstance(content, Mapping):
        return
    if any(isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()):
        yield place, content
    if len(place) < DEEPEST:
        for name, value in content.items():
            if isinstance(name, str):
                yield from _state_dicts(value, (*place, name))


def _prefixes(entries: Mapping[str, Any], expected: Mapping[str, Tensor]) -> set[str]:
    """Return the prefixes that the names may have before those of the network."""
    names = [name.replace(COMPILED, "") for name, value in entries.items() if isinstance(value, Tensor)]
    longest = max(expected, key=lambda name: name.count("."), default="")
    found = {name.removesuffix(longest) for name in names if name.endswith(f".{longest}")}
    common: list[str] = []
    for parts in zip(*(name.split(".")[:-1] for name in names), strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return {"", *found, *(".".join(common[: end + 1]) + "." for end in range(len(common)))}


def _cut(place: tuple[str, ...], entries: Mapping[str, Any], prefix: str) -> FoundWeights:
    """Take the tensors whose names begin with a prefix."""
    tensors = {name.replace(COMPILED, ""): value for name, value in entries.items() if isinstance(value, Tensor)}
    weights = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    left_out = [name for name in tensors if not name.startswith(prefix)]
    left_out += [f"{name} ({type(value).__name__})" for name, value in entries.items() if not isinstance(value, Tensor)]
    return FoundWeights(weights, ".".join(place), prefix, left_out, getattr(entries, "_metadata", {}))


def _fits(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> bool:
    return weights.keys() == expected.keys() and all(weights[name].shape == expected[name].shape for name in expected)


def _rank(found: FoundWeights) -> tuple[int, int]:
    """Return a small number for a known wrapper and prefix."""
    last = (found.place.split(".")[-1], found.prefix.rstrip(".").split(".")[-1])
    return tuple(-1 if not name else KNOWN.index(name) if name in KNOWN else len(KNOWN) for name in last)


def _likeness(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> tuple[int, int]:
    shared = weights.keys() & expected.keys()
    return sum(weights[name].shape == expected[name].shape for name in shared), len(shared)


def _differences(found: FoundWeights, expected: Mapping[str, Tensor]) -> str:
    """Say how many of the entries are missing, superfluous and of another shape, with the first of each."""
    weights = found.weights
    no_tensors = [name for name in found.left_out if name.split(" (")[0] in expected]
    others = {name.split(" (")[0] for name in no_tensors}
    missing = [name for name in expected if name not in weights and name not in others]
    spare = [name for name in weights if name not in expected]
    shapes = [name for name in expected if name in weights and weights[name].shape != expected[name].shape]
    parts = [f"missing {len(missing)} (e.g. {missing[0]!r})"] if missing else []
    parts += [f"no tensor {len(no_tensors)} (e.g. {no_tensors[0]})"] if no_tensors else []
    parts += [f"superfluous {len(spare)} (e.g. {spare[0]!r})"] if spare else []
    if shapes:
        sizes = f"{tuple(weights[shapes[0]].shape)} in the file, {tuple(expected[shapes[0]].shape)} in the network"
        parts.append(f"of another shape {len(shapes)} (e.g. {shapes[0]!r}: {sizes})")
    place = f" under {found.place!r}" if found.place else ""
    prefix = f" without the prefix {found.prefix!r}" if found.prefix else ""
    return f"{len(expected)} entries are expected, {len(weights)} are there{place}{prefix}: {', '.join(parts)}"
