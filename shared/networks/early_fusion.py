"""Let a network that stacks the sequences at its input work with any subset of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["EarlyFusion"]


class EarlyFusion(nn.Module):
    """Any network on stacked sequences, given 0 in place of the sequences that are absent or left out.

    After `NormalizeInBraind` 0 is the brain's mean and also the value of air. The zeros are set here and not by a
    transform, so that from the file to the network NaN stays the one mark of an absent sequence.

    Args:
        network: takes an image (B, M, *spatial); its parameters are found under "network." in the state dict.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, keep: Tensor | None = None) -> Tensor:
        """Return what the network returns.

        Args:
            image: (B, M, *spatial); a sequence with any NaN is absent.
            keep: boolean (B, M); sequences where it is False are not used. Without it all that are there are used.

        Raises:
            ValueError: a sample without any sequence (not checked in TorchScript and compiled graphs).
        """
        available = ~image.isnan().flatten(2).any(dim=-1)
        if keep is not None:
            available = available & keep
        if not torch.jit.is_scripting():
            self._check(available)
        voxelwise = available.view(available.shape + (1,) * (image.ndim - 2))
        return self.network(torch.where(voxelwise, image, 0.0))

    @staticmethod
    def _check(available: Tensor) -> None:
        if torch.jit.is_tracing() or torch.compiler.is_compiling():
            return
        empty = (~available.any(dim=1)).nonzero().flatten().tolist()
        if empty:
            raise ValueError(f"image: no sequence is available in sample {empty[0]}; keep at least one that is there.")
