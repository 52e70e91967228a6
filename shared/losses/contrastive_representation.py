"""Contrast of contents and styles, and reconstruction of images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ..errors import InputError
from .contrast import TEMPERATURE, ContentContrastLoss, StyleContrastLoss
from .reconstruction import ReconstructionLoss

__all__ = ["ContrastiveRepresentationLoss"]


class ContrastiveRepresentationLoss(nn.Module):
    r"""Contents alike within a subject, styles alike within a modality, and images that both of them give back.

    .. math:: w_a L_{content} + w_m L_{style} + \gamma (\|x - \hat{x}\| + D_{KL}(z \| N(0, I)))

    Eq. 10 of Tong et al., "CLoE: Expert Consistency Learning for Missing Modality Segmentation" (2026), after DC-Seg
    (Li et al., MICCAI 2025). A part of weight 0 is not computed, and the network needs no branch for it.

    Args:
        content_weight: w_a, of `ContentContrastLoss`; needs the branch "content".
        style_weight: w_m, of `StyleContrastLoss`; needs the branch "style".
        generative_weight: gamma, of `ReconstructionLoss`; needs the branch "images".
        similarity: of contents, "ssim" or "cosine".
        window_size: of "ssim", in voxels of the deepest feature map, along every axis or per axis.
        temperature: tau.
        norm: of the error of the images, "l1" (CLoE) or "mse" (DC-Seg).
    """

    def __init__(
        self,
        content_weight: float = 1.0,
        style_weight: float = 1.0,
        generative_weight: float = 1.0,
        similarity: str = "ssim",
        window_size: Sequence[int] | int = 11,
        temperature: float = TEMPERATURE,
        norm: str = "l1",
    ) -> None:
        super().__init__()
        weights = {
            "content_weight": content_weight,
            "style_weight": style_weight,
            "generative_weight": generative_weight,
        }
        for name, weight in weights.items():
            if not 0 <= weight < math.inf:
                raise InputError(f"{name} must be at least 0 and finite, got {weight}.")
        self.content_weight = content_weight
        self.style_weight = style_weight
        self.generative_weight = generative_weight
        self.content = ContentContrastLoss(similarity, window_size, temperature)
        self.style = StyleContrastLoss(temperature)
        self.reconstruction = ReconstructionLoss(norm)

    def forward(self, prediction: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """Return the loss, a scalar, computed in float32 under autocast as well.

        Args:
            prediction: of a network with `DisentanglingBranches` in training.
            target: "image" (B, M, *spatial), absent modalities NaN.
        """
        return self.terms(prediction, target)["contrastive"]

    def terms(self, prediction: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss `contrastive` and its parts, not weighted.

        These are `content_contrast`, `style_contrast`, `image_error` and `style_divergence`.
        """
        present = prediction["present"]
        total = torch.zeros((), device=present.device)
        parts: dict[str, Tensor] = {}
        if self.content_weight:
            parts["content_contrast"] = self.content(prediction["content"], present)
            total = total + self.content_weight * parts["content_contrast"]
        if self.style_weight:
            parts["style_contrast"] = self.style(prediction["style"], present)
            total = total + self.style_weight * parts["style_contrast"]
        if self.generative_weight:
            generative = self.reconstruction.terms(prediction, target)
            total = total + self.generative_weight * (generative["image_error"] + generative["style_divergence"])
            parts |= generative
        return {"contrastive": total, **parts}
