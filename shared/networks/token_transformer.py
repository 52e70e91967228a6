"""Transformer on tokens with learned positions."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["TokenTransformer"]


class TokenTransformer(nn.Module):
    """Self-attention and a feed-forward network, each after a layer normalisation, with skips; positions in front.

    mmFormer (Zhang et al., MICCAI 2022). Unlike MONAI's `TransformerBlock`, positions are added before every layer, the
    attention branch is dropped out once more, and nothing is dropped out in evaluation (MONAI's `SABlock` does so
    with `use_flash_attention`).

    Args:
        hidden_size: of a token; a multiple of `num_heads`.
        mlp_dim: of the feed-forward network.
        num_heads: of the attention.
        num_layers: how often.
        dropout_rate: on attention, projection, attention branch, and twice in the feed-forward network.
    """

    def __init__(self, hidden_size: int, mlp_dim: int, num_heads: int, num_layers: int, dropout_rate: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(hidden_size, mlp_dim, num_heads, dropout_rate) for _ in range(num_layers))

    def forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Transform tokens (B, N, `hidden_size`), whose positions broadcast to the same shape."""
        for layer in self.layers:
            tokens = layer(tokens + positions)
        return tokens


class _Layer(nn.Module):
    def __init__(self, hidden_size: int, mlp_dim: int, num_heads: int, dropout_rate: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout_rate = dropout_rate
        self.attention_norm = nn.LayerNorm(hidden_size)
        self.qkv = nn.Linear(hidden_size, 3 * hidden_size, bias=False)
        self.projection = nn.Sequential(
            nn.Linear(hidden_size, hidden_size), nn.Dropout(dropout_rate), nn.Dropout(dropout_rate)
        )
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(hidden_size),
            nn.Linear(hidden_size, mlp_dim),
            nn.GELU(),
            nn.Dropout(dropout_rate),
            nn.Linear(mlp_dim, hidden_size),
            nn.Dropout(dropout_rate),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.projection(self._attend(self.attention_norm(tokens)))
        return tokens + self.feed_forward(tokens)

    def _attend(self, tokens: Tensor) -> Tensor:
        heads = self.qkv(tokens).unflatten(2, [3, self.num_heads, -1]).permute(2, 0, 3, 1, 4)  # (3, B, heads, N, d)
        dropout = self.dropout_rate if self.training else 0.0
        attended = functional.scaled_dot_product_attention(heads[0], heads[1], heads[2], dropout_p=dropout)
        return attended.transpose(1, 2).flatten(2)
