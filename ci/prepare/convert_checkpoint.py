"""Convert a published checkpoint of mmFormer or RFNet into weights for this collection.

    python -m ci convert-checkpoint --network mmformer --checkpoint model_last.pth --out models/model.pt

Reads what the code of YaoZhang93/mmFormer and dyh127/RFNet saves; that code itself is not needed. The bundle's README
says which settings such weights need, and what is known of their licence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ci.prepare.published_names import PUBLISHED_ORDER, published_name
from shared.atomic_write import atomic_write
from shared.errors import InputError
from shared.networks import MMFormer, RFNet

__all__ = ["converted", "empty_network"]

NETWORKS = {"mmformer": MMFormer, "rfnet": RFNet}
MOST_SHOWN = 20
NEVER_USED = re.compile(r"(flair|t1ce|t1|t2)_decode_conv\.(weight|bias)")  # of mmFormer
# Weights of RFNet that concatenate all modalities, and the axis.
SIDE_BY_SIDE = [
    (re.compile(r".*(embedding_layer|short_cut)\.0\.conv\.weight|.*weight_layer\.0\.weight"), 1),
    (re.compile(r".*weight_layer\.2\.(weight|bias)"), 0),
]


def converted(
    network: str, published: Mapping[str, Tensor], modalities: Sequence[str] = PUBLISHED_ORDER
) -> dict[str, Tensor]:
    """Return the state dict of our network, with its modalities in the order of `modalities`.

    Args:
        network: "mmformer" or "rfnet".
        published: the state dict that the published code saves, with or without "module." before its names.
        modalities: the published modalities in any order; for "mmformer" in the published one.

    Raises:
        InputError: `modalities` cannot be had, or weights are missing, left over, or of another shape.
    """
    _check_modalities(network, modalities)
    published = {name.removeprefix("module."): weight for name, weight in published.items()}
    head = published.get("decoder_fuse.seg_layer.bias")
    ours = empty_network(network, out_channels=4 if head is None else len(head)).state_dict()
    sources = {name: published_name(network, name, modalities) for name in ours}

    faults = [f"missing: {there}" for there in sources.values() if there not in published]
    spare = published.keys() - set(sources.values())
    faults += [f"unexpected: {there}" for there in sorted(spare) if not _is_never_used(network, there)]
    for name, there in sources.items():
        if there in published and _without_ones(published[there]) != _without_ones(ours[name]):
            shapes = f"has shape {tuple(published[there].shape)}, {tuple(ours[name].shape)} is needed"
            faults.append(f"{there}: {shapes}")
    if faults:
        rest = f"; and {len(faults) - MOST_SHOWN} more" if len(faults) > MOST_SHOWN else ""
        raise InputError(f"these are no weights of the published {network}: {'; '.join(faults[:MOST_SHOWN])}{rest}.")
    return {
        name: _in_order(there, published[there], modalities).reshape(ours[name].shape).clone()
        for name, there in sources.items()
    }


def empty_network(network: str, out_channels: int = 4) -> nn.Module:
    """Build our network of the published sizes without memory for its weights."""
    with torch.device("meta"):
        return NETWORKS[network](in_channels=len(PUBLISHED_ORDER), out_channels=out_channels)


def _check_modalities(network: str, modalities: Sequence[str]) -> None:
    given = list(modalities) if isinstance(modalities, (list, tuple)) else [modalities]  # as `fire` reads it
    if sorted(map(str, given)) != sorted(PUBLISHED_ORDER):
        raise InputError(f"modalities {given}: give {', '.join(PUBLISHED_ORDER)}, in any order.")
    if network == "mmformer" and tuple(modalities) != PUBLISHED_ORDER:
        raise InputError(
            f"modalities {list(modalities)}: the published mmFormer mixes positions and modalities by their order, so "
            f"that its weights hold for no other than {', '.join(PUBLISHED_ORDER)}; leave --modalities out."
        )


def _is_never_used(network: str, name: str) -> bool:
    return network == "mmformer" and NEVER_USED.fullmatch(name) is not None


def _without_ones(weight: Tensor) -> list[int]:
    """Return the shape without axes of size 1: the published code has some that ours does without."""
    return [size for size in weight.shape if size > 1]


def _in_order(name: str, weight: Tensor, modalities: Sequence[str]) -> Tensor:
    """Move what belongs to a modality to the place that it has in `modalities`; what belongs to none stays last."""
    for pattern, axis in SIDE_BY_SIDE:
        if pattern.fullmatch(name):
            rest = weight.shape[axis] % len(modalities)
            of_modalities, of_none = weight.split([weight.shape[axis] - rest, rest], dim=axis)
            by_name = dict(zip(PUBLISHED_ORDER, of_modalities.chunk(len(modalities), dim=axis), strict=True))
            return torch.cat([*(by_name[modality] for modality in modalities), of_none], dim=axis)
    return weight


def read_state_dict(path: Path) -> Mapping[str, Tensor]:
    """Read a state dict: the whole file, or its item "state_dict".

    Raises:
        InputError: the file is missing, or holds anything else.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint; correct --checkpoint.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each damaged byte raises something else
        raise InputError(
            f"{path}: not a file of plain tensors (weights_only=True fails); download it again."
        ) from error
    state = content.get("state_dict", content) if isinstance(content, Mapping) else content
    if not isinstance(state, Mapping) or not all(isinstance(weight, Tensor) for weight in state.values()):
        raise InputError(f"{path}: holds no state dict; give the file that the published training saved.")
    return state


def main(*, network: str, checkpoint: str, out: str, modalities: Sequence[str] = PUBLISHED_ORDER) -> None:
    """Convert a checkpoint.

    Args:
        network: mmformer or rfnet.
        checkpoint: file that the published code saved.
        out: file to write, a state dict.
        modalities: order of the modalities that the converted weights are to have, as "[t1,t1ce,t2,flair]"; rfnet only.
    """
    if network not in NETWORKS:
        raise InputError(f"network {network!r} is unknown; choose {' or '.join(NETWORKS)}.")
    published = read_state_dict(Path(str(checkpoint)))
    try:
        weights = converted(network, published, modalities)
    except InputError as error:
        raise InputError(f"{checkpoint}: {error}") from error
    with atomic_write(str(out)) as temporary:
        torch.save(weights, temporary)
    left_out = [name for name in published if _is_never_used(network, name.removeprefix("module."))]
    if left_out:
        print(f"Left out, since the published network never uses them: {', '.join(left_out)}.")
    count = sum(weight.numel() for weight in weights.values()) / 1e6
    print(f"{out}: {count:.2f} M parameters of {network}; modalities, in this order: {', '.join(modalities)}.")
    print("Their licence is an open question, see the bundle's README: ask their authors what they may be used for.")
