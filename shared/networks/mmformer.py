"""mmFormer: transformer for incomplete sets of MR modalities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import InputError
from .conv_blocks import NormActConv, kaiming_convolutions
from .encoded_modalities import EncodedModalities, all_modalities, available_rows, pack
from .expert_decoder import DecoderLevel, ExpertDecoder
from .intra_modal_transformer import IntraModalTransformer
from .modality_concat import ConcatNormActConv
from .modality_encoders import ModalityEncoders
from .present_modalities import masked, nan_without_modalities
from .residual_encoder import ResidualEncoder
from .token_transformer import TokenTransformer

__all__ = ["MMFormer"]

LEVELS = 5


class MMFormer(nn.Module):
    """Segment from any non-empty subset of modalities, whose deepest features attend to each other.

    Zhang et al., "mmFormer: Multimodal Medical Transformer for Incomplete Multimodal Learning of Brain Tumor
    Segmentation", MICCAI 2022. One encoder per modality, five levels; a transformer per modality on the deepest level,
    one transformer across modalities, and a decoder on the concatenated features. In training a second decoder, the
    same for all modalities, segments from each modality alone. Modalities that a sample does not have are not computed;
    the transformer across modalities sees their learned positions in place of their tokens, as published.

    Differs from the published code in three points. The published code stacks the tokens modality by modality and reads
    them back as if they were stacked position by position, which mixes modalities and positions; here every token stays
    at its position. (`legacy_token_layout` mixes them as published, for weights that were trained so.) The published
    class takes patches of 128 x 128 x 128 only, and has four convolutions that nothing uses.

    In evaluation `forward` returns logits (B, `out_channels`, *spatial). In training it returns a dictionary:

    - pred: logits (B, C, *spatial).
    - experts: logits (B, M, C, *spatial) from every modality that is present, kept or not; zero where it is not.
    - deep_supervision: logits of the decoder's lower levels, a list of (B, C, *spatial / stride), strides 2,
      4, 8, 16.
    - present, available: boolean (B, M); available is present and kept.

    A step in which no sample keeps a modality does not reach that modality's transformer: several processes need
    `find_unused_parameters` of `distribute`.

    `ci/prepare/published_names.py` has the names of the published state dict (YaoZhang93/mmFormer) for those here.

    Args:
        in_channels: modalities M.
        out_channels: classes C.
        img_size: of a training patch, every axis a multiple of 16, 32 or more. In evaluation other sizes are welcome:
            the learned positions are interpolated.
        features: channels of the finest level; they double from level to level.
        hidden_size: of a token.
        mlp_dim: of the transformers' feed-forward networks.
        num_heads: of the transformers.
        num_layers: of every transformer.
        dropout_rate: of the transformers.
        legacy_token_layout: of the published code; for its weights only.
        dense: compute absent modalities, too, and mask them; see `ModalityEncoders`.
    """

    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 4,
        img_size: Sequence[int] = (128, 128, 128),
        features: int = 8,
        hidden_size: int = 512,
        mlp_dim: int = 4096,
        num_heads: int = 8,
        num_layers: int = 1,
        dropout_rate: float = 0.1,
        legacy_token_layout: bool = False,
        dense: bool = False,
    ) -> None:
        super().__init__()
        stride = 2 ** (LEVELS - 1)
        if len(img_size) != 3 or any(size % stride or size < 2 * stride for size in img_size):
            raise InputError(
                f"img_size must be three multiples of {stride}, {2 * stride} or more, got {img_size}; "
                "choose another --patch_size."
            )
        if features < 1 or num_heads < 1:
            raise InputError(f"features and num_heads must be 1 or more, got {features} and {num_heads}.")
        if hidden_size % num_heads:
            raise InputError(
                f"hidden_size must be a multiple of num_heads = {num_heads}, got {hidden_size}; change one of them."
            )
        grid = [size // stride for size in img_size]
        self.legacy_token_layout = legacy_token_layout
        widths = [features * 2**level for level in range(LEVELS)]
        self.encoders = ModalityEncoders((_encoder(widths) for _ in range(in_channels)), stride, dense=dense)

        transformer = (hidden_size, mlp_dim, num_heads, num_layers, dropout_rate)
        self.within = nn.ModuleList(
            IntraModalTransformer(widths[-1], hidden_size, grid, TokenTransformer(*transformer))
            for _ in range(in_channels)
        )
        self.across = TokenTransformer(*transformer)
        self.from_tokens = nn.Conv3d(in_channels * hidden_size, in_channels * widths[-1], kernel_size=1)

        self.deepest = ConcatNormActConv(widths[-1], in_channels)
        self.levels = nn.ModuleList(_FusionLevel(width, in_channels) for width in widths[-2::-1])
        self.regions = nn.ModuleList(nn.Conv3d(width, out_channels, kernel_size=1) for width in widths[:0:-1])
        self.head = nn.Conv3d(features, out_channels, kernel_size=1)
        self.expert_decoder = ExpertDecoder(widths, out_channels, NormActConv)
        self.apply(kaiming_convolutions)

    def forward(self, image: Tensor, keep: Tensor | None = None) -> Tensor:
        """Segment images (B, M, H, W, D), in training of size `img_size`; `keep` as in `ModalityEncoders`."""
        encoded = self.encoders(image, keep)
        logits, lower = self._decode(self._attend(encoded), encoded)
        if not torch.jit.is_scripting() and self.training:
            experts = all_modalities(self.expert_decoder(encoded.levels), encoded)
            return {
                "pred": logits,
                "experts": experts,
                "deep_supervision": lower,
                "present": encoded.present,
                "available": encoded.available,
            }
        return nan_without_modalities(logits, encoded.available) if encoded.dense else logits

    def _attend(self, encoded: EncodedModalities) -> Tensor:
        """Let the deepest features of all modalities attend to each other; return (B, M, C, *grid)."""
        grid = list(encoded.levels[-1].shape[2:])
        batch, modalities = encoded.available.shape
        tokens: list[Tensor] = []
        all_positions: list[Tensor] = []
        for modality, within in enumerate(self.within):
            positions = within.positions_on(grid)
            own = torch.zeros_like(positions).repeat(batch, 1, 1)
            rows = available_rows(encoded, modality)
            if rows.shape[0] > 0:
                features = encoded.levels[-1].index_select(0, encoded.pair_index[:, modality].index_select(0, rows))
                own = own.index_copy(0, rows, within(features, positions))
            tokens.append(own)
            all_positions.append(positions)
        attended = masked(torch.stack(tokens, dim=1), encoded.available).flatten(1, 2)  # (B, M N, hidden size)
        attended = self.across(attended, torch.cat(all_positions))
        if self.legacy_token_layout:
            at_grid = attended.unflatten(1, [-1, modalities]).flatten(2).transpose(1, 2)
        else:
            at_grid = attended.unflatten(1, [modalities, -1]).transpose(2, 3).flatten(1, 2)
        return self.from_tokens(at_grid.unflatten(2, grid)).unflatten(1, [modalities, -1])

    def _decode(self, deepest: Tensor, encoded: EncodedModalities) -> tuple[Tensor, list[Tensor]]:
        """Return the fused logits and, in training only, those of the lower levels, the finest first."""
        every_slot = torch.arange(deepest.shape[1], device=deepest.device).expand(deepest.shape[0], -1)
        decoded = self.deepest(deepest, every_slot)
        below = [decoded]
        for i, level in enumerate(self.levels):
            decoded = level(decoded, pack(encoded.levels[-2 - i], encoded), encoded.slots)
            below.append(decoded)
        lower: list[Tensor] = []
        if self.training:
            for i, head in enumerate(self.regions):
                lower.insert(0, head(below[i]))
        return self.head(decoded), lower


def _encoder(widths: Sequence[int]) -> ResidualEncoder:
    """Enter by a bare convolution, since blocks begin with a normalisation."""
    return ResidualEncoder(widths, NormActConv, nn.Conv3d(1, widths[0], 3, padding=1, padding_mode="reflect"))


class _FusionLevel(DecoderLevel):
    """A level of the decoder whose skip connection is the fusion of all modalities."""

    def __init__(self, channels: int, num_modalities: int) -> None:
        super().__init__(channels, NormActConv)
        self.skip = ConcatNormActConv(channels, num_modalities)

    def forward(self, below: Tensor, packed: Tensor, slots: Tensor) -> Tensor:
        return self.merge(torch.cat([self.skip(packed, slots), self.up(below)], dim=1))
