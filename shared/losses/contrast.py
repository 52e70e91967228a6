"""Contrast between feature maps or vectors that should be alike and others that should not."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import InputError
from .structural_similarity import pairwise_structural_similarity

__all__ = ["TEMPERATURE", "ContentContrastLoss", "StyleContrastLoss", "pairwise_contrast"]

TEMPERATURE = 1 / 0.07
SIMILARITIES = ("ssim", "cosine")


def pairwise_contrast(similarities: Tensor, alike: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    r"""Logistic loss of similarities, mean over all pairs of different items.

    .. math:: \frac{1}{N (N - 1)} \sum_{i \ne j} \log(1 + \exp(-\delta_{ij} \tau s_{ij}))

    The first two terms of Eq. 10 of Tong et al., "CLoE: Expert Consistency Learning for Missing Modality Segmentation"
    (2026), delta = 1 for items that should be alike and -1 for others. Printed as a sum; a mean in the code of DC-Seg
    (Li et al., MICCAI 2025), there with the diagonal, which adds a constant. The temperature multiplies.

    Args:
        similarities: (N, N), in [-1, 1].
        alike: boolean (N, N).
        temperature: tau.

    Returns:
        A scalar; zero if N < 2.
    """
    if similarities.shape != alike.shape:
        raise ValueError(f"shapes differ: similarities {tuple(similarities.shape)}, alike {tuple(alike.shape)}")
    signed = torch.where(alike, similarities, -similarities)
    others = ~torch.eye(len(alike), dtype=torch.bool, device=alike.device)
    return (functional.softplus(-temperature * signed) * others).sum() / others.sum().clamp(min=1)


class ContentContrastLoss(nn.Module):
    """`pairwise_contrast` of contents: those of one subject are alike in all modalities, those of others are not.

    A batch of one subject has no pair that should differ, and all contents are only drawn together: if the first batch
    is one, a warning says so. (The last batch of an epoch may be.)

    Args:
        similarity: "ssim" (see `pairwise_structural_similarity`) or "cosine" of the means over space.
        window_size: of "ssim", in voxels of the feature maps, along every axis or per axis.
        temperature: tau.
    """

    def __init__(
        self, similarity: str = "ssim", window_size: Sequence[int] | int = 11, temperature: float = TEMPERATURE
    ) -> None:
        super().__init__()
        if similarity not in SIMILARITIES:
            raise InputError(f"similarity must be one of {', '.join(SIMILARITIES)}, got {similarity!r}.")
        self.similarity = similarity
        self.window_size = window_size
        self.temperature = temperature
        self.is_first_batch = True

    def forward(self, content: Tensor, present: Tensor) -> Tensor:
        """Return the loss, a scalar, computed in float32 under autocast as well.

        Args:
            content: (B, M, C, *spatial).
            present: boolean (B, M), which contents count.
        """
        if self.is_first_batch and len(present) == 1:
            warnings.warn(
                "content contrast: a batch of one subject has no pair that should differ; set batch_size to 2 or more.",
                stacklevel=2,
            )
        self.is_first_batch = False
        with torch.autocast(content.device.type, enabled=False):
            subjects, modalities = present.nonzero(as_tuple=True)
            maps = content[subjects, modalities].float()
            if self.similarity == "ssim":
                similarities = pairwise_structural_similarity(maps, self.window_size)
            else:
                similarities = _cosines(maps.flatten(2).mean(dim=2))
            return pairwise_contrast(similarities, subjects.unsqueeze(0) == subjects.unsqueeze(1), self.temperature)


class StyleContrastLoss(nn.Module):
    """`pairwise_contrast` of styles: those of one modality are alike in all subjects, those of others are not.

    Args:
        temperature: tau.
    """

    def __init__(self, temperature: float = TEMPERATURE) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, style: Tensor, present: Tensor) -> Tensor:
        """Return the loss, a scalar, computed in float32 under autocast as well.

        Args:
            style: (B, M, S).
            present: boolean (B, M), which styles count.
        """
        with torch.autocast(style.device.type, enabled=False):
            subjects, modalities = present.nonzero(as_tuple=True)
            similarities = _cosines(style[subjects, modalities].float())
            return pairwise_contrast(similarities, modalities.unsqueeze(0) == modalities.unsqueeze(1), self.temperature)


def _cosines(vectors: Tensor) -> Tensor:
    normalized = functional.normalize(vectors, dim=1, eps=1e-8)
    return normalized @ normalized.t()
