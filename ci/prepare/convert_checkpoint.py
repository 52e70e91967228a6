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

from shared.atomic_write import atomic_write
from shared.errors import InputError
from shared.networks import MMFormer, RFNet

__all__ = ["PUBLISHED_ORDER", "converted", "empty_network", "published_name"]

PUBLISHED_ORDER = ("flair", "t1ce", "t1", "t2")
NETWORKS = {"mmformer": MMFormer, "rfnet": RFNet}
LEVELS = {"mmformer": 5, "rfnet": 4}
MOST_SHOWN = 20
NEVER_USED = re.compile(r"(flair|t1ce|t1|t2)_decode_conv\.(weight|bias)")  # of mmFormer

# Parts of our names, and what stands for them there. A level of a decoder counts from the deepest, the fusion at -1.
PARTS = {
    "block": {
        "enter": "c1",
        "residual.0": "c2",
        "residual.1": "c3",
        "up.1": "c1",
        "merge.0": "c2",
        "merge.1": "out",
    },
    "fusion": {"enter": "0.conv", "blocks.0": "1", "blocks.1": "2"},
    "layer": {
        "attention_norm": ("cross_attention_list", "fn.norm"),
        "qkv": ("cross_attention_list", "fn.fn.qkv"),
        "projection.0": ("cross_attention_list", "fn.fn.proj"),
        "feed_forward.0": ("cross_ffn_list", "fn.norm"),
        "feed_forward.1": ("cross_ffn_list", "fn.fn.net.0"),
        "feed_forward.4": ("cross_ffn_list", "fn.fn.net.3"),
    },
}
BLOCK, FUSION, LAYER = (f"(?P<{part}>{'|'.join(map(re.escape, names))})" for part, names in PARTS.items())
MODALITY, ENCODER, DECODER, NUMBER = (
    rf"(?P<{part}>-?\d+)" for part in ("modality", "encoder_level", "decoder_level", "number")
)
IN_BOTH = [
    (rf"encoders\.by_modality\.{MODALITY}\.levels\.{ENCODER}\.{BLOCK}", "{modality}_encoder.e{encoder_level}_{block}"),
    (rf"expert_decoder\.levels\.{DECODER}\.{BLOCK}", "decoder_sep.d{decoder_level}_{block}"),
    (rf"levels\.{DECODER}\.{BLOCK}", "decoder_fuse.d{decoder_level}_{block}"),
    (r"expert_decoder\.head", "decoder_sep.seg_layer"),
    (r"head", "decoder_fuse.seg_layer"),
]
NAMES = {
    "mmformer": [
        *IN_BOTH,
        (rf"within\.{MODALITY}\.enter", "{modality}_encode_conv"),
        (rf"within\.{MODALITY}\.positions", "{modality}_pos"),
        (
            rf"within\.{MODALITY}\.transformer\.layers\.{NUMBER}\.{LAYER}",
            "{modality}_transformer.{layer[0]}.{number}.{layer[1]}",
        ),
        (rf"across\.layers\.{NUMBER}\.{LAYER}", "multimodal_transformer.{layer[0]}.{number}.{layer[1]}"),
        (r"from_tokens", "multimodal_decode_conv"),
        (rf"levels\.{DECODER}\.skip\.{FUSION}", "decoder_fuse.RFM{decoder_level}.fusion_layer.{fusion}"),
        (rf"regions\.{DECODER}", "decoder_fuse.seg_d{decoder_level}"),
    ],
    "rfnet": [
        *IN_BOTH,
        (
            rf"levels\.{DECODER}\.skip\.region_maps\.embed\.{FUSION}",
            "decoder_fuse.prm_generator{decoder_level}.embedding_layer.{fusion}",
        ),
        (rf"levels\.{DECODER}\.skip\.region_maps\.head", "decoder_fuse.prm_generator{decoder_level}.prm_layer"),
        (
            rf"levels\.{DECODER}\.skip\.fusion\.weigh\.{NUMBER}",
            "decoder_fuse.RFM{decoder_level}.modal_fusion.{number}.weight_layer",
        ),
        (rf"levels\.{DECODER}\.skip\.fusion\.regions", "decoder_fuse.RFM{decoder_level}.region_fusion.fusion_layer"),
        (
            rf"levels\.{DECODER}\.skip\.fusion\.shortcut\.{FUSION}",
            "decoder_fuse.RFM{decoder_level}.short_cut.{fusion}",
        ),
    ],
}
# Weights of RFNet in which all modalities lie side by side: along which axis.
SIDE_BY_SIDE = [
    (re.compile(r".*(embedding_layer|short_cut)\.0\.conv\.weight|.*weight_layer\.0\.weight"), 1),
    (re.compile(r".*weight_layer\.2\.(weight|bias)"), 0),
]


def published_name(network: str, name: str, modalities: Sequence[str] = PUBLISHED_ORDER) -> str:
    """Return how a parameter of ours is called in the published state dict of "mmformer" or "rfnet"."""
    counted = re.sub(r"^deepest\.", "levels.-1.skip.", name)
    for ours, there in NAMES[network]:
        if found := re.fullmatch(rf"{ours}(?P<rest>(\.\w+)*)", counted):
            words = found.groupdict()
            rest = words.pop("rest")
            for part in PARTS.keys() & words.keys():
                words[part] = PARTS[part][words[part]]
            if "modality" in words:
                words["modality"] = modalities[int(words["modality"])]
            if "encoder_level" in words:
                words["encoder_level"] = int(words["encoder_level"]) + 1
            if "decoder_level" in words:
                words["decoder_level"] = LEVELS[network] - 1 - int(words["decoder_level"])
            return there.format(**words) + rest
    raise ValueError(f"{name} is no parameter of {network}.")


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
