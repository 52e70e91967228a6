"""TransUNet: U-Net with a vision transformer on the deepest map of a ResNet."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.blocks import Convolution, MLPBlock, SABlock
from monai.networks.nets.basic_unet import UpCat
from torch import Tensor, nn
from torch.nn import functional

from .size_rule import check_multiples
from .standardized_resnet import StandardizedResNet

__all__ = ["TransUNet"]


class TransUNet(nn.Module):
    """TransUNet: ResNet, vision transformer on its map of 1/16, and a decoder with skip connections.

    Chen et al., "TransUNet: Transformers Make Strong Encoders for Medical Image Segmentation", 2021, with the sizes of
    R50 + ViT-B/16: 105.3 million parameters. The positions are learned on the grid of `image_size` and interpolated to
    the grid of other images (bilinear). Height and width are multiples of 16.

    Args:
        in_channels: of the image.
        out_channels: of the logits.
        image_size: height and width that the positions are learned for, multiples of 16.
        width: see `StandardizedResNet`.
        layers: see there; three stages.
        hidden_size: of a token; a multiple of `num_heads`.
        mlp_dim: of the feed-forward network.
        num_heads: of the attention.
        num_layers: of the transformer.
        head_channels: of the map that the decoder starts with.
        decoder_channels: widths of the decoder's four levels, coarse to fine.
        dropout: share of the numbers that are zero in training, after the positions and in the feed-forward networks.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 1,
        image_size: Sequence[int] = (224, 224),
        width: int = 64,
        layers: Sequence[int] = (3, 4, 9),
        hidden_size: int = 768,
        mlp_dim: int = 3072,
        num_heads: int = 12,
        num_layers: int = 12,
        head_channels: int = 512,
        decoder_channels: Sequence[int] = (256, 128, 64, 16),
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if len(layers) != 3 or len(decoder_channels) != 4:
            raise ValueError(
                f"layers must hold three numbers and decoder_channels four, got {list(layers)} and "
                f"{list(decoder_channels)}."
            )
        if len(image_size) != 2 or any(size < 16 or size % 16 for size in image_size):
            raise ValueError(f"image_size must be two multiples of 16, got {list(image_size)}.")
        self.in_channels = in_channels
        self.encoder = StandardizedResNet(in_channels, width, layers)
        *skips, deepest = self.encoder.channels
        self.transformer = _MapTransformer(
            deepest, [size // 16 for size in image_size], hidden_size, mlp_dim, num_heads, num_layers, dropout
        )
        self.head = Convolution(2, hidden_size, head_channels, act="relu", norm="batch", bias=False)
        below = [head_channels, *decoder_channels[:-1]]
        self.decoder = nn.ModuleList(
            UpCat(
                2,
                from_below,
                skip,
                channels,
                act="relu",
                norm="batch",
                bias=False,
                upsample="nontrainable",
                halves=False,
                is_pad=False,
            )
            for from_below, skip, channels in zip(below, [*skips[::-1], 0], decoder_channels, strict=True)
        )
        self.mask_head = nn.Conv2d(decoder_channels[-1], out_channels, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B, `out_channels`, H, W) of images (B, `in_channels`, H, W)."""
        check_multiples(image, self.in_channels, 16)
        *skips, deepest = self.encoder(image)
        features = self.head(self.transformer(deepest))
        for level, skip in zip(self.decoder, [*skips[::-1], None], strict=True):
            features = level(features, skip)
        return self.mask_head(features)


class _MapTransformer(nn.Module):
    """Vision transformer whose tokens are the positions of a map (B, C, H, W); returns (B, `hidden_size`, H, W)."""

    def __init__(
        self,
        in_channels: int,
        grid: Sequence[int],
        hidden_size: int,
        mlp_dim: int,
        num_heads: int,
        num_layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.embed = nn.Conv2d(in_channels, hidden_size, 1)
        self.positions = nn.Parameter(torch.zeros(1, hidden_size, *grid))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential(*(_Layer(hidden_size, mlp_dim, num_heads, dropout) for _ in range(num_layers)))
        self.norm = nn.LayerNorm(hidden_size, eps=1e-6)

    def forward(self, features: Tensor) -> Tensor:
        embedded = self.embed(features)
        positions = functional.interpolate(self.positions, embedded.shape[2:], mode="bilinear")
        tokens = self.dropout(embedded + positions).flatten(2).transpose(1, 2)
        return self.norm(self.layers(tokens)).transpose(1, 2).reshape(embedded.shape)


class _Layer(nn.Module):
    """Self-attention and feed-forward network, each after a layer normalisation, with skip connections.

    Unlike in MONAI's `TransformerBlock`, nothing is dropped out in the attention, and every parameter is used.
    """

    def __init__(self, hidden_size: int, mlp_dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(hidden_size, eps=1e-6)
        self.attention = SABlock(hidden_size, num_heads, qkv_bias=True)
        self.feed_forward_norm = nn.LayerNorm(hidden_size, eps=1e-6)
        self.feed_forward = MLPBlock(hidden_size, mlp_dim, dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attention(self.attention_norm(tokens))
        return tokens + self.feed_forward(self.feed_forward_norm(tokens))
