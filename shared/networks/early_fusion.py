"""Early fusion: a network that stacks the modalities at its input, for any subset of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .present_modalities import available_modalities, is_tracing_or_exporting, masked, nan_without_modalities

__all__ = ["EarlyFusion"]


class EarlyFusion(nn.Module):
    """Any network on stacked modalities, given 0 in place of the modalities that are absent or left out.

    After `NormalizeInBraind` 0 is the brain's mean and also the value of air. The zeros are set here and not by a
    transform, so that from the file to the network NaN stays the one mark of an absent modality.

    Args:
        network: takes an image (B, M, *spatial); its parameters are found under "network." in the state dict.
        dictionary: in training return {"pred": what the network returns}, as networks with several outputs do, whose
            losses then take it.
    """

    def __init__(self, network: nn.Module, dictionary: bool = False) -> None:
        super().__init__()
        self.network = network
        self.dictionary = dictionary

    def forward(self, image: Tensor, keep: Tensor | None = None) -> Tensor:
        """Return what the network returns, or the dictionary.

        Args:
            image: (B, M, *spatial); a modality with any NaN is absent.
            keep: boolean (B, M); modalities where it is False are not used. Without it all that are there are used.

        Raises:
            ValueError: a sample without any modality (traced and exported: NaN).
        """
        _, available = available_modalities(image, keep)
        output = self.network(masked(image, available))
        empty_is_nan = False
        if not torch.jit.is_scripting():
            empty_is_nan = is_tracing_or_exporting()
            if self.dictionary and self.training:
                return {"pred": output}
        return nan_without_modalities(output, available) if empty_is_nan else output
