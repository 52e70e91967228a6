"""Intra-modal transformer of mmFormer: the deepest features of one modality as tokens that attend to each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .present_modalities import is_tracing_or_exporting
from .token_transformer import TokenTransformer

__all__ = ["IntraModalTransformer"]


class IntraModalTransformer(nn.Module):
    """Intra-modal transformer: a linear projection to tokens, learned positions and self-attention.

    Zhang et al., "mmFormer: Multimodal Medical Transformer for Incomplete Multimodal Learning of Brain Tumor
    Segmentation", MICCAI 2022.

    Args:
        channels: C of the deepest features.
        hidden_size: of a token.
        grid: positions along every axis, on a patch of training.
        transformer: of tokens of `hidden_size`.
    """

    def __init__(self, channels: int, hidden_size: int, grid: list[int], transformer: TokenTransformer) -> None:
        super().__init__()
        self.grid = grid
        self.enter = nn.Conv3d(channels, hidden_size, kernel_size=1)
        self.positions = nn.Parameter(torch.zeros(grid[0] * grid[1] * grid[2], hidden_size))
        self.transformer = transformer

    def forward(self, features: Tensor, positions: Tensor) -> Tensor:
        """Return tokens (n, N, `hidden_size`).

        Args:
            features: (n, C, *grid), with N voxels.
            positions: (N, `hidden_size`), of `positions_on` the same grid.
        """
        return self.transformer(self.enter(features).flatten(2).transpose(1, 2), positions)

    @torch.jit.export
    def positions_on(self, grid: list[int]) -> Tensor:
        """Return the learned positions (N, `hidden_size`), interpolated if the grid is not that of training.

        A traced or exported graph always interpolates, since it is run on other grids as well; on the grid of training
        this changes nothing.
        """
        is_fixed = False
        if not torch.jit.is_scripting():
            is_fixed = is_tracing_or_exporting()
        if not is_fixed and grid == self.grid:
            return self.positions
        if self.training:
            raise ValueError(f"image: its tokens form a grid {grid}, those of img_size {self.grid}; set img_size.")
        positions = self.positions.t().unflatten(1, self.grid).unsqueeze(0)
        positions = functional.interpolate(positions, size=grid, mode="trilinear", align_corners=False)
        return positions.squeeze(0).flatten(1).t()
