"""Style of an image of one modality, for disentangled learning."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

__all__ = ["StyleEncoder"]


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
