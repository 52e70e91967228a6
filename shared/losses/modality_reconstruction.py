"""Loss of a network that reconstructs every modality from shared content and its own style."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from ..errors import InputError
from .reconstruction import ReconstructionLoss

__all__ = ["ModalityReconstructionLoss"]


class ModalityReconstructionLoss(nn.Module):
    r"""Absolute error of reconstructed modalities and divergence of their styles' Gaussians, summed over modalities.

    .. math:: \frac{1}{B} \sum_b \sum_m w_x |\hat{x}_{bm} - x_{bm}|
        + w_z \sum_s D_{KL}(\mathcal{N}(\mu_{bms}, \sigma_{bms}^2) \| \mathcal{N}(0, 1))

    over the modalities m that are present, also those that `keep` hides; the error is a mean over voxels, the
    divergence a sum over the S values of a style. Weights 0.1, as in the code of Chen et al., "Robust Multimodal Brain
    Tumor Segmentation via Feature Disentanglement and Gated Fusion", MICCAI 2019.

    Args:
        image_weight: w_x.
        style_weight: w_z.
    """

    def __init__(self, image_weight: float = 0.1, style_weight: float = 0.1) -> None:
        super().__init__()
        for name, weight in (("image_weight", image_weight), ("style_weight", style_weight)):
            if not weight >= 0:
                raise InputError(f"{name} must be at least 0, got {weight}.")
        self.image_weight = image_weight
        self.style_weight = style_weight
        self.reconstruction = ReconstructionLoss(norm="l1")

    def forward(self, prediction: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """Return the loss, a scalar, computed in float32 under autocast as well.

        Args:
            prediction: of `shared.networks.RobustSeg` in training.
            target: "image" (B, M, *spatial), absent modalities NaN.
        """
        return self.terms(prediction, target)["completion"]

    def terms(self, prediction: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss `completion`, and means over modalities, not weighted: `image_error`, `style_divergence`."""
        means, present = self.reconstruction.terms(prediction, target), prediction["present"]
        modalities = present.sum() / len(present)
        values = prediction["style_mean"].shape[2]
        per_modality = self.image_weight * means["image_error"] + self.style_weight * values * means["style_divergence"]
        return {"completion": modalities * per_modality, **means}
