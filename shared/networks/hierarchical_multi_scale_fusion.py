"""Hierarchical multi-scale fusion (HMSF): three dilated convolutions, weighted per image."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["HierarchicalMultiScaleFusion", "SeparableConv2d"]


class SeparableConv2d(nn.Sequential):
    """3 x 3 convolution of every channel by itself, then a 1 x 1 convolution over channels; the size stays.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        dilation: distance of the 3 x 3 samples; zeros are put around the picture.
    """

    def __init__(self, in_channels: int, out_channels: int, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(in_channels, in_channels, 3, padding=dilation, dilation=dilation, groups=in_channels, bias=False),
            nn.Conv2d(in_channels, out_channels, 1),
        )


class HierarchicalMultiScaleFusion(nn.Module):
    r"""Dilated separable convolutions whose shares of the sum are chosen per image (HMSF).

    .. math:: F_r = \mathrm{SepConv}_{3 \times 3}^{(r)}(X), \qquad
              g = \mathrm{ReLU}(\mathrm{MLP}_{C/8}(\mathrm{GAP}(X)))
    .. math:: \alpha = \mathrm{Softmax}(\mathrm{MLP}_3(g)), \qquad
              Y = \mathrm{Conv}_{1 \times 1}(\sum_i \alpha_i F_{r_i})

    Eqs. 9 and 10 of Al Shafi et al., "Multi-Level Bidirectional Decoder Interaction for Uncertainty-Aware Breast
    Ultrasound Analysis". Both MLPs are one linear layer. There is no residual connection inside: the blocks that use
    the fusion have one.

    Args:
        channels: C of the input and of the output.
        dilations: r, one per scale.
    """

    def __init__(self, channels: int, dilations: tuple[int, ...] = (1, 2, 4)) -> None:
        super().__init__()
        self.scales = nn.ModuleList(SeparableConv2d(channels, channels, dilation) for dilation in dilations)
        hidden = max(1, channels // 8)
        self.score = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, len(dilations)))
        self.project = nn.Conv2d(channels, channels, 1)

    def shares(self, features: Tensor) -> Tensor:
        """Return alpha (B, number of scales), which sums to one, for features (B, C, H, W)."""
        return self.score(features.mean(dim=(2, 3))).softmax(dim=1)

    def forward(self, features: Tensor) -> Tensor:
        """Fuse the scales of features (B, C, H, W); the shape stays."""
        shares = self.shares(features)[:, :, None, None, None].unbind(dim=1)
        weighted = [share * scale(features) for share, scale in zip(shares, self.scales, strict=True)]
        return self.project(sum(weighted[1:], start=weighted[0]))
