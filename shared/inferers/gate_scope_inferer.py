"""Let experts be weighed once per case, or once per window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from monai.inferers import Inferer
from monai.utils import convert_to_tensor
from torch import Tensor

from ..errors import InputError
from ..networks.cloe import CLoE
from ..networks.present_modalities import available_modalities
from ..networks.unwrap import unwrap

__all__ = ["GateScopeInferer", "bare_cloe", "expert_channels"]

SCOPES = ("window", "case")


class GateScopeInferer(Inferer):
    """Run another inferer with a `CLoE` whose gate reads the agreement of experts in a window or in the whole case.

    With "window" every window has weights of its own, as in training; they jump from window to window, and depend on
    the share of background. With "case" a first pass predicts all experts and the region map of the whole image, the
    gate reads the agreement of these, and a second pass segments with one set of weights.

    Args:
        inferer: for example a sliding window.
        gate_scope: "window" or "case".
    """

    def __init__(self, inferer: Inferer, gate_scope: str = "window") -> None:
        super().__init__()
        if gate_scope not in SCOPES:
            raise InputError(f"gate_scope must be one of {', '.join(SCOPES)}, got {gate_scope!r}.")
        self.inferer = inferer
        self.gate_scope = gate_scope

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Segment images (B, M, *spatial), in which an absent modality is a channel with NaN."""
        if self.gate_scope == "window":
            return self.inferer(inputs, network, *args, **kwargs)
        segmented = []
        for number in range(len(inputs)):
            image = inputs[number : number + 1]
            weights, _ = self.weigh(image, network)

            def of_windows(windows: Tensor, weights: Tensor = weights) -> Tensor:
                return network(windows, None, weights.to(windows.device).expand(len(windows), -1))

            segmented.append(self.inferer(image, of_windows, *args, **kwargs))
        return torch.cat(segmented)

    def weigh(self, image: Tensor, network: Callable[..., Tensor]) -> tuple[Tensor, Tensor]:
        """Return the weights (1, M) and scores (1, M, scores) of the whole case.

        Args:
            image: (1, M, *spatial).
            network: a `CLoE` with a gate, bare or wrapped in DistributedDataParallel.
        """
        experts, region, available = self.predict_experts(image, network)
        return bare_cloe(network).weigh(experts, available, region)

    def predict_experts(self, image: Tensor, network: Callable[..., Tensor]) -> tuple[Tensor, Tensor | None, Tensor]:
        """Return probabilities of the experts (1, M, C, *spatial) and of the region, and `available` (1, M)."""
        cloe = bare_cloe(network)

        def of_windows(windows: Tensor) -> Tensor:
            return expert_channels(cloe.experts(windows))

        plain = convert_to_tensor(image, track_meta=False)
        _, available = available_modalities(plain)
        modalities = available.shape[1]
        maps = self.inferer(plain, of_windows)
        channels = maps.shape[1] // modalities * modalities
        experts, region = maps[:, :channels].unflatten(1, (modalities, -1)), maps[:, channels:]
        return experts, region if region.shape[1] else None, available.to(maps.device)


def bare_cloe(network: Callable[..., Tensor]) -> CLoE:
    """Return a `CLoE` without its wrappers; refuse other networks."""
    bare = unwrap(network)
    if not isinstance(bare, CLoE):
        raise InputError(f"gate_scope: {type(network).__name__} has no experts to weigh; take the network CLoE.")
    return bare


def expert_channels(parts: Mapping[str, Tensor]) -> Tensor:
    """Return the probabilities of the experts, modality by modality, and of the region map, as channels."""
    maps = parts["experts"].float().softmax(dim=2).flatten(1, 2)
    return torch.cat([maps, parts["region"].float().sigmoid()], dim=1) if "region" in parts else maps
