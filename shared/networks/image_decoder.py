"""Reconstruct the image of one modality from content and style, for disentangled learning."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .conv_blocks import upsample

__all__ = ["ImageDecoder"]

LOG_VARIANCE_BOUND = 20.0


class ImageDecoder(nn.Module):
    """Image of one modality from fused content and the modality's style, by adaptive instance normalisation (DC-Seg).

    In DC-Seg a linear layer gives the standard deviation, which may be zero and has then no logarithm. Here the layer
    gives the logarithm of the variance, limited to +-20.

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
        """Return what `forward` would for no content (n = 0), given image (0, 1, *spatial) and style (0, S)."""
        parameters = style.new_zeros(0, self.channels)
        return {"images": image.squeeze(1), "style_mean": parameters, "style_log_variance": parameters}


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
