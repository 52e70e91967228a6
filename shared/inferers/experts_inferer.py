"""Segment, and hand on what each expert says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import Tensor

from ..networks.cloe import CLoE
from ..networks.unwrap import unwrap
from .gate_scope_inferer import GateScopeInferer, bare_cloe, expert_channels

__all__ = ["ExpertsInferer"]


class ExpertsInferer(Inferer):
    """A `GateScopeInferer` that appends channels: what the experts say, and how much each of them counted.

    After the C logits come

    - M x C probabilities of the experts, modality by modality;
    - the region map, where the network has one;
    - M weights, those with which every voxel was fused. They are NaN without weights (fusion "concat").

    `SplitExpertsd` takes them off again. Experts are decoded with one or two modalities as well, and nothing is
    encoded twice for them. A network without experts (RFNet, a TorchScript export) gives its logits alone.

    Args:
        inferer: for example a sliding window.
        gate_scope: "window" or "case"; see `GateScopeInferer`.
    """

    def __init__(self, inferer: Inferer, gate_scope: str = "window") -> None:
        super().__init__()
        self.scoped = GateScopeInferer(inferer, gate_scope)

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Segment images (B, M, *spatial), in which an absent modality is a channel with NaN."""
        if not isinstance(unwrap(network), CLoE):
            return self.scoped(inputs, network, *args, **kwargs)
        plain = convert_to_tensor(inputs, track_meta=False)
        if self.scoped.gate_scope == "case":
            output = torch.cat([self._of_case(plain[i : i + 1], network) for i in range(len(plain))])
        else:
            output = self.scoped.inferer(plain, _of_windows(bare_cloe(network)))
        return convert_to_dst_type(output, inputs)[0]

    def _of_case(self, image: Tensor, network: Callable[..., Tensor]) -> Tensor:
        """Return all channels of one case that has one set of weights, (1, channels, *spatial)."""
        experts, region, available = self.scoped.predict_experts(image, network)
        weights, _ = bare_cloe(network).weigh(experts, available, region)

        def of_windows(windows: Tensor) -> Tensor:
            return network(windows, None, weights.to(windows.device).expand(len(windows), -1))

        logits = self.scoped.inferer(image, of_windows)
        parts = [logits.float(), experts.flatten(1, 2), *([] if region is None else [region])]
        return torch.cat([*parts, _everywhere(weights.to(logits.device), logits)], dim=1)


def _of_windows(network: CLoE) -> Callable[[Tensor], Tensor]:
    """Return a function from windows to all their channels."""

    def all_channels(windows: Tensor) -> Tensor:
        parts = network.segment_with_experts(windows)
        weights = parts["weights"] if len(network.concat) == 0 else torch.full_like(parts["weights"], torch.nan)
        return torch.cat([parts["pred"].float(), expert_channels(parts), _everywhere(weights, parts["pred"])], dim=1)

    return all_channels


def _everywhere(values: Tensor, like: Tensor) -> Tensor:
    """Return values (B, M) as channels that are constant over space."""
    return values.float()[..., None, None, None].expand(-1, -1, *like.shape[2:])
