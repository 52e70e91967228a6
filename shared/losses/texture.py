"""Texture loss: difference in edge strength."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .lesion_mask import LesionMaskLoss

__all__ = ["TextureLoss"]


class TextureLoss(LesionMaskLoss):
    r"""Texture loss.

    .. math:: L_{texture} = \mathrm{E}[|\mathrm{std}(S_x * M) - \mathrm{std}(S_x * \hat M)|]

    Eq. 12 of Al Shafi et al., "Multi-Level Bidirectional Decoder Interaction for Uncertainty-Aware Breast Ultrasound
    Analysis": S_x is the horizontal Sobel filter (weights 1, 2, 1, not divided), with zeros around the picture; the
    population's standard deviation is taken per image over its pixels, of the probability as it is (not thresholded),
    and the mean over the batch. 1e-8 is added to both variances: the root of zero, an empty mask's, has no gradient.
    """

    def __init__(self) -> None:
        super().__init__()
        kernel = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
        self.register_buffer("kernel", kernel[None, None], persistent=False)

    def of_probability(self, probability: Tensor, mask: Tensor) -> Tensor:
        """Return the loss, a scalar."""
        return (self._edge_strength(mask) - self._edge_strength(probability)).abs().mean()

    def _edge_strength(self, mask: Tensor) -> Tensor:
        edges = functional.conv2d(mask, self.kernel.to(mask), padding=1)
        return (edges.var(dim=(1, 2, 3), correction=0) + 1e-8).sqrt()
