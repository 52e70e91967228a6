"""Find the weights of a network in the content of a checkpoint, whatever prefix or wrapper they have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from ..errors import InputError
from ..networks.unwrap import COMPILED

__all__ = ["FoundWeights", "find_weights"]

# Keys under which programs store a state dict, and prefixes of its names, in the order of preference.
KNOWN = ("state_dict", "network", "model", "net", "model_state_dict", "network_weights", "module", "objects")
DEEPEST = 4
REMEDY = "use this bundle's own weights, or the settings of the network that was trained."


class FoundWeights(NamedTuple):
    """A state dict in a file, without its prefix.

    Attributes:
        weights: name to tensor, with the names of the network.
        place: keys that lead to the state dict in the file, joined by dots; empty if the file is the state dict.
        prefix: text that was removed from the beginning of the names.
        other_tensors: names without the prefix.
        other_entries: name to "name (type)", of entries that are no tensors.
        metadata: what the state dict stores next to its tensors.
    """

    weights: dict[str, Tensor]
    place: str
    prefix: str
    other_tensors: list[str]
    other_entries: dict[str, str]
    metadata: Mapping[str, Any]

    @property
    def left_out(self) -> list[str]:
        """Entries that do not belong to the network."""
        return [*self.other_tensors, *self.other_entries.values()]


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
        _without_prefix(place, entries, prefix)
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


def _tensors(entries: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the tensors, under their names without what torch.compile adds."""
    return {name.replace(f"{COMPILED}.", ""): value for name, value in entries.items() if isinstance(value, Tensor)}


def _prefixes(entries: Mapping[str, Any], expected: Mapping[str, Tensor]) -> set[str]:
    """Return prefixes to try: none, what precedes the network's most nested name, what all names have in common."""
    names = list(_tensors(entries))
    longest = max(expected, key=lambda name: name.count("."), default="")
    before_longest = {name.removesuffix(longest) for name in names if name.endswith(f".{longest}")}
    leading = accumulate(f"{part}." for part in names[0].split(".")[:-1])
    in_common = [prefix for prefix in leading if all(name.startswith(prefix) for name in names)]
    return {"", *before_longest, *in_common}


def _without_prefix(place: tuple[str, ...], entries: Mapping[str, Any], prefix: str) -> FoundWeights:
    """Take the tensors whose names begin with a prefix."""
    tensors = _tensors(entries)
    others = {name: value for name, value in entries.items() if not isinstance(value, Tensor)}
    return FoundWeights(
        weights={name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)},
        place=".".join(place),
        prefix=prefix,
        other_tensors=[name for name in tensors if not name.startswith(prefix)],
        other_entries={name: f"{name} ({type(value).__name__})" for name, value in others.items()},
        metadata=getattr(entries, "_metadata", {}),
    )


def _fits(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> bool:
    return weights.keys() == expected.keys() and all(weights[name].shape == expected[name].shape for name in expected)


def _rank(found: FoundWeights) -> tuple[int, int]:
    """Return what candidates are sorted by: no wrapper and no prefix first, then `KNOWN` in its order, then others."""
    order = ["", *KNOWN]
    last = (found.place.split(".")[-1], found.prefix.rstrip(".").split(".")[-1])
    return tuple(order.index(name) if name in order else len(order) for name in last)


def _likeness(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> tuple[int, int]:
    """Return how many of the network's entries have the right shape, and how many are there."""
    shared = weights.keys() & expected.keys()
    return sum(weights[name].shape == expected[name].shape for name in shared), len(shared)


def _differences(found: FoundWeights, expected: Mapping[str, Tensor]) -> str:
    """Say how many of the entries are missing, superfluous and of another shape, with the first of each."""
    weights = found.weights
    no_tensors = [described for name, described in found.other_entries.items() if name in expected]
    missing = [name for name in expected if name not in weights and name not in found.other_entries]
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
