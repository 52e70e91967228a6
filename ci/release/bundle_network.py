"""A bundle's network for exports: built, with what a file must say about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser
from monai.networks.nets.swin_unetr import BasicLayer
from torch import nn

from shared.handlers.model_settings import plain
from shared.networks.size_rule import SizeRule, check_sizes, size_rules

__all__ = ["BundleNetwork", "bundle_network"]


@dataclass(frozen=True)
class BundleNetwork:
    """A network in evaluation.

    Attributes:
        network: from images (B, `channels`, *spatial) to logits.
        channels: of the image.
        rules: sizes of the spatial axes.
        may_lack: channels are modalities, which may be absent.
        description: what an exported file stores: bundle, version, network, spatial_shape, channels, model_settings.
    """

    network: nn.Module
    channels: int
    rules: list[SizeRule]
    may_lack: bool
    description: dict[str, Any]


def bundle_network(parser: ConfigParser, bundle: Path, smallest: bool = False) -> BundleNetwork:
    """Build the network of a configuration of inference.

    Sizes are those of the metadata, or those that the network names for its exported form (`exported_shape`).

    Args:
        parser: inference.json with overlays and settings.
        bundle: its folder.
        smallest: take networks that are exported for one size (`takes_one_size`) at the smallest that there is, not at
            that of the settings.

    Raises:
        InputError: the network is exported for one size, and the metadata do not allow that of the settings.
    """
    metadata = ConfigParser.load_config_file(bundle / "configs" / "metadata.json")
    image = metadata["network_data_format"]["inputs"]["image"]
    network = parser.get_parsed_content("network_def").eval()
    shape = list(getattr(network, "exported_shape", image["spatial_shape"]))
    if takes_one_size(network):
        shape = _one_size(parser, size_rules(shape), smallest)
    else:
        shape = [_two_blocks(axis, rule) for axis, rule in zip(shape, size_rules(shape), strict=True)]
    channels = len(parser.get_parsed_content("modalities")) if "modalities" in parser else image["num_channels"]
    description = {
        "bundle": bundle.resolve().name,
        "version": metadata["version"],
        "network": type(network).__name__,
        "spatial_shape": shape,
        "channels": channels,
        "model_settings": plain(parser.get_parsed_content("model_settings")),
    }
    return BundleNetwork(network, channels, size_rules(shape), "modalities" in parser and channels > 1, description)


def _two_blocks(axis: int | str, rule: SizeRule) -> int | str:
    """Allow two multiples or more: `torch.export` takes a deepest feature map of one voxel for a case of its own."""
    is_one = rule.smallest == rule.multiple > 1 and not rule.is_fixed
    return f"{rule.multiple}*n+{rule.multiple}" if is_one else axis


def _one_size(parser: ConfigParser, allowed: Sequence[SizeRule], smallest: bool) -> list[int]:
    if smallest:
        return [rule.smallest for rule in allowed]
    name = "patch_size" if "patch_size" in parser else "image_size"
    size = list(parser.get_parsed_content(name))
    check_sizes(size, allowed)
    return size


def takes_one_size(network: nn.Module) -> bool:
    """Whether a graph of the network holds for one size of images: MONAI's SwinUNETR, and SwinUNet.

    MONAI's `BasicLayer` pads each level to whole windows, shrinks windows that are larger than the level, and builds
    the attention's mask in loops over the size. A graph records what one size needs (MONAI issue 5125; the same in
    microsoft/Swin-Transformer issue 301 and huggingface/pytorch-image-models issue 1844).
    """
    return any(isinstance(module, BasicLayer) for module in network.modules())
