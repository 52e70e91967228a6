"""Branches that a network for missing modalities has in training only: content, style and reconstructed images."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import InputError
from .conv_blocks import kaiming_convolutions, upsample
from .modality_pairs import EncodedModalities, all_modalities

__all__ = ["BRANCHES", "DisentanglingBranches", "ImageDecoder", "StyleEncoder"]

BRANCHES = ("content", "style", "images")
LOG_VARIANCE_BOUND = 20.0


class DisentanglingBranches(nn.Module):
    """What the contrastive representation loss reads, from complete images of the modalities that are present.

    Li et al., "DC-Seg: Disentangled Contrastive Learning for Brain Tumor Segmentation with Missing Modalities", MICCAI
    2025. The content of a modality is its deepest feature map, the style a vector from a network of its own; an image
    is reconstructed from the content of the fused, available modalities and the style of its own.

    Args:
        names: which of "content", "style" and "images" are computed, so that only those that a loss reads cost time.
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
        """Return the branches that were asked for.

        - content: (B, M, 8 F, *spatial / 8); style: (B, M, S).
        - images: (B, M, *spatial); style_mean, style_log_variance: (B, M, 8 F), the parameters of the decoders'
          normalisations.

        All are zero where a modality is not present.

        Args:
            image: (B, M, *spatial), not masked by `keep`.
            encoded: for "content" all modalities that are present were encoded.
            fused: (B, 8 F, *spatial / 8), the deepest fused feature map.
        """
        output: dict[str, list[Tensor]] = {}
        for modality, encoder in enumerate(self.style_encoders):
            rows = encoded.present[:, modality].nonzero().flatten()
            own = image[:, modality : modality + 1].index_select(0, rows)
            style = encoder(own) if len(rows) else own.new_zeros(0, encoder.num_values)
            of_modality = {"style": style} if "style" in self.names else {}
            if self.image_decoders:
                decoder = self.image_decoders[modality]
                of_modality |= decoder(fused.index_select(0, rows), style) if len(rows) else decoder.nothing(own, style)
            for name, value in of_modality.items():
                everywhere = value.new_zeros(len(image), *value.shape[1:]).index_copy(0, rows, value)
                output.setdefault(name, []).append(everywhere)
        stacked = {name: torch.stack(values, dim=1) for name, values in output.items()}
        if "content" in self.names:
            stacked["content"] = all_modalities(encoded.levels[-1], encoded)
        return stacked


class StyleEncoder(nn.Module):
    """Style of one modality: convolutions with ReLU, without bias and normalisation, then the mean over space (DC-Seg).

    Args:
        features: F; the convolutions have 2 F, 4 F and three times 8 F channels.
        num_values: S of the style, by default 8 F.
    """

    def __init__(self, features: int, num_values: int | None = None) -> None:
        super().__init__()
        widths = [2 * features, 4 * features, 8 * features, 8 * features, 8 * features]
        self.num_values = num_values or widths[-1]
        enter = nn.Conv3d(1, widths[0], 7, padding=3, padding_mode="reflect", bias=False)
        layers: list[nn.Module] = [enter, nn.ReLU(inplace=True)]
        for narrow, wide in pairwise(widths):
            convolution = nn.Conv3d(narrow, wide, 4, stride=2, padding=1, padding_mode="reflect", bias=False)
            layers += [convolution, nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1], self.num_values)

    def forward(self, image: Tensor) -> Tensor:
        """Return the style (n, S) of images (n, 1, *spatial), every axis 16 or more."""
        return self.head(self.layers(image).mean(dim=(2, 3, 4)))


class ImageDecoder(nn.Module):
    """Image of one modality from fused content, whose normalisations take their parameters from the style (DC-Seg).

    DC-Seg has a linear layer for the standard deviation of the style, whose square may be zero, and its logarithm
    minus infinity. Here the layer gives the logarithm of the variance, limited to +-20.

    Args:
        features: F; the content has 8 F channels, the finest level F.
        style_values: S of the style, by default 8 F.
        upsampling: "trilinear" or "nearest".
    """

    def __init__(self, features: int, style_values: int | None = None, upsampling: str = "trilinear") -> None:
        super().__init__()
        self.channels = channels = 8 * features
        self.hidden = nn.Sequential(
            nn.Linear(style_values or channels, channels),
            nn.ReLU(inplace=True),
            nn.Linear(channels, channels),
            nn.ReLU(inplace=True),
        )
        self.mean = nn.Linear(channels, channels)
        self.log_variance = nn.Linear(channels, channels)
        self.blocks = nn.ModuleList(_StyledBlock(channels) for _ in range(4))
        self.levels = nn.ModuleList(_WiderLevel(channels // 2**level, upsampling) for level in range(3))
        self.head = nn.Conv3d(features, 1, kernel_size=7, padding=3, padding_mode="reflect")

    @torch.jit.unused
    def forward(self, content: Tensor, style: Tensor) -> dict[str, Tensor]:
        """Return "images" (n, *spatial), "style_mean" and "style_log_variance" (n, 8 F).

        Args:
            content: (n, 8 F, *spatial / 8).
            style: (n, S).
        """
        hidden = self.hidden(style)
        mean = self.mean(hidden)
        log_variance = self.log_variance(hidden).clamp(-LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)
        decoded = content
        for block in self.blocks:
            decoded = block(decoded, mean, (0.5 * log_variance).exp())
        for level in self.levels:
            decoded = level(decoded)
        return {
            "images": _to_one_channel(self.head, decoded).squeeze(1),
            "style_mean": mean,
            "style_log_variance": log_variance,
        }

    def nothing(self, image: Tensor, style: Tensor) -> dict[str, Tensor]:
        """Return what `forward` does for no image at all, (0, 1, *spatial)."""
        nothing = style.new_zeros(0, self.channels)
        return {"images": image.squeeze(1), "style_mean": nothing, "style_log_variance": nothing}


class _StyledBlock(nn.Module):
    """Two convolutions, each with adaptive instance normalisation, and a skip around them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv3d(channels, channels, 3, padding=1, padding_mode="reflect")
        self.second = nn.Conv3d(channels, channels, 3, padding=1, padding_mode="reflect")

    def forward(self, features: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
        hidden = _adaptive_norm(self.first(features), mean, deviation).relu()
        return features + _adaptive_norm(self.second(hidden), mean, deviation)


class _WiderLevel(nn.Module):
    """Twice the size and half the channels, normalised over channels and positions."""

    def __init__(self, channels: int, upsampling: str) -> None:
        super().__init__()
        self.up = upsample(upsampling)
        self.conv = nn.Conv3d(channels, channels // 2, kernel_size=5, padding=2, padding_mode="reflect")

    def forward(self, features: Tensor) -> Tensor:
        features = self.conv(self.up(features))
        return functional.group_norm(features, num_groups=1).relu()


def _adaptive_norm(features: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Give every channel a mean and a standard deviation, both (n, C)."""
    variance, centre = torch.var_mean(features, dim=(2, 3, 4), keepdim=True, correction=0)
    deviation, mean = deviation[:, :, None, None, None], mean[:, :, None, None, None]
    return deviation * (features - centre) / (variance.sqrt() + 1e-5) + mean


def _to_one_channel(convolution: nn.Conv3d, features: Tensor) -> Tensor:
    """Apply a convolution that has one output channel, plane by plane of its kernel.

    oneDNN is slow with one output channel: as many channels as the kernel has planes, shifted and summed, take a fifth
    of the time of 7 x 7 x 7, forward and backward.
    """
    padded = functional.pad(features, [size // 2 for size in convolution.kernel_size for _ in range(2)], mode="reflect")
    planes = functional.conv3d(padded, convolution.weight.squeeze(0).transpose(0, 1).unsqueeze(2))
    size = features.shape[2]
    shifted = [planes[:, i : i + 1, i : i + size] for i in range(planes.shape[1])]
    return torch.stack(shifted).sum(dim=0) + convolution.bias.view(1, -1, 1, 1, 1)
