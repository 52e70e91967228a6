"""Disentangling of content and style (DC-Seg), as branches that a network has in training only."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import InputError
from .conv_blocks import kaiming_convolutions
from .encoded_modalities import EncodedModalities, all_modalities
from .image_decoder import ImageDecoder
from .style_encoder import StyleEncoder

__all__ = ["BRANCHES", "DisentanglingBranches"]

BRANCHES = ("content", "style", "images")


class DisentanglingBranches(nn.Module):
    """Content, style and reconstructed image of every present modality, for the contrastive representation loss.

    Li et al., "DC-Seg: Disentangled Contrastive Learning for Brain Tumor Segmentation with Missing Modalities", MICCAI
    2025. The content of a modality is its deepest feature map. Its style is a vector from an encoder of its own. Its
    image is reconstructed from the fused content of the available modalities and its own style.

    Args:
        names: which of "content", "style" and "images" are computed: those that the loss reads.
        num_modalities: M.
        features: F, channels of the finest level of the segmentation network's encoders; the content has 8 F.
        style_values: S, by default 8 F.
        upsampling: in the image decoders, "trilinear" or "nearest".
    """

    def __init__(
        self,
        names: Sequence[str],
        num_modalities: int,
        features: int,
        style_values: int | None = None,
        upsampling: str = "trilinear",
    ) -> None:
        super().__init__()
        if isinstance(names, str) or not names or set(names) - set(BRANCHES):
            raise InputError(f"branches: give a list of {', '.join(BRANCHES)}, got {names!r}.")
        self.names = tuple(names)
        with_styles = range(num_modalities if "style" in names or "images" in names else 0)
        with_images = range(num_modalities if "images" in names else 0)
        self.style_encoders = nn.ModuleList(StyleEncoder(features, style_values) for _ in with_styles)
        self.image_decoders = nn.ModuleList(ImageDecoder(features, style_values, upsampling) for _ in with_images)
        self.apply(kaiming_convolutions)

    @torch.jit.unused
    def forward(self, image: Tensor, encoded: EncodedModalities, fused: Tensor) -> dict[str, Tensor]:
        """Return the branches by name, zero where a modality is not present.

        - content: (B, M, 8 F, *spatial / 8).
        - style: (B, M, S).
        - images: (B, M, *spatial); with style_mean and style_log_variance, (B, M, 8 F), the parameters of the
          decoders' normalisations.

        Args:
            image: (B, M, *spatial), not masked by `keep`.
            encoded: for "content" all modalities that are present were encoded.
            fused: (B, 8 F, *spatial / 8), the deepest fused feature map.
        """
        output: dict[str, list[Tensor]] = {}
        for modality, encoder in enumerate(self.style_encoders):
            samples = encoded.present[:, modality].nonzero().flatten()
            channel = image[:, modality : modality + 1].index_select(0, samples)
            style = encoder(channel) if len(samples) else channel.new_zeros(0, encoder.num_values)
            found = {"style": style} if "style" in self.names else {}
            if self.image_decoders:
                decoder = self.image_decoders[modality]
                content = fused.index_select(0, samples)
                found |= decoder(content, style) if len(samples) else decoder.nothing(channel, style)
            for name, value in found.items():
                whole_batch = value.new_zeros(len(image), *value.shape[1:]).index_copy(0, samples, value)
                output.setdefault(name, []).append(whole_batch)
        stacked = {name: torch.stack(values, dim=1) for name, values in output.items()}
        if "content" in self.names:
            stacked["content"] = all_modalities(encoded.levels[-1], encoded)
        return stacked
