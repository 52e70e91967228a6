"""Name the one modality of a file that does not say which it is."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from ..errors import InputError

__all__ = ["check_only_modality", "wrong_channels"]


def check_only_modality(only_modality: str | None, modalities: Sequence[Hashable]) -> str | None:
    """Return the modality if it is one of the network's, or None.

    Raises:
        InputError: another name.
    """
    if only_modality is not None and only_modality not in modalities:
        known = ", ".join(map(str, modalities))
        raise InputError(f"only_modality: expected one of {known}, or None, got {only_modality!r}.")
    return only_modality


def wrong_channels(file: str, channels: int, modalities: Sequence[Hashable]) -> str:
    """Say how to name the modality of an image whose channels are not those of the network.

    Args:
        file: its name.
        channels: how many it has.
        modalities: the network's.
    """
    known = ", ".join(map(str, modalities))
    source = f"'{file}'" if channels == 1 else f"['{file}', CHANNEL]"
    expected = "one modality is" if len(modalities) == 1 else f"{len(modalities)} modalities are"
    name = modalities[0] if len(modalities) == 1 else "NAME"
    remedy = f"say which one it is: --datalist \"[{{'{name}': {source}}}]\""
    meant = ["CHANNEL from 0"] * (channels > 1) + [f"NAME one of {known}"] * (len(modalities) > 1)
    remedy += f" with {' and '.join(meant)}" * bool(meant)
    remedy += ", or --only_modality NAME" * (channels == 1)
    return f"{file}: has {channels} channel{'s' * (channels > 1)}, but {expected} expected ({known}); {remedy}."
