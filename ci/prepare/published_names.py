"""Names of the parameters of mmFormer and RFNet in the state dicts that their published code saves."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["PUBLISHED_ORDER", "published_name"]

PUBLISHED_ORDER = ("flair", "t1ce", "t1", "t2")
LEVELS = {"mmformer": 5, "rfnet": 4}

# Parts of our names, and their published names. A level of a decoder counts from the deepest, the fusion at -1.
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
