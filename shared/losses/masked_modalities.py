"""Loss of the masked autoencoder that pre-trains M3AE."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..errors import InputError
from .loss_terms import Total
from .reconstruction import reconstruction_error

__all__ = ["MaskedModalitiesLoss"]


class MaskedModalitiesLoss(nn.Module):
    r"""Squared error of the restored modalities, and a learned image that is drawn to its mean.

    .. math:: \mathrm{MSE}(\hat{x}, x) + w \| z - \bar{z} \|_2

    over all voxels, seen or hidden, of the modalities that are present; z is the learned image, its mean taken per
    modality. As in the code of Liu et al., "M3AE: Multimodal Representation Learning for Brain Tumor Segmentation with
    Missing Modalities", AAAI 2023.

    Args:
        flatness: w.
    """

    def __init__(self, flatness: float = 0.005) -> None:
        super().__init__()
        if not flatness >= 0:
            raise InputError(f"flatness must be at least 0, got {flatness}.")
        self.flatness = flatness
        self.total = Total()

    def forward(self, prediction: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """Return the loss, a scalar, computed in float32 under autocast as well.

        Args:
            prediction: of `shared.networks.MaskedModalities` in training.
            target: "image" (B, M, *spatial), absent modalities NaN.
        """
        return self.total(self.terms(prediction, target))

    def terms(self, prediction: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return `total` and its parts, not weighted: `image_error` and `unevenness` of the learned image."""
        with torch.autocast(prediction["present"].device.type, enabled=False):
            image, learned = target["image"].as_subclass(Tensor), prediction["learned_image"].float()
            error = reconstruction_error(prediction["images"].float(), image, prediction["present"], norm="mse")
            unevenness = torch.linalg.vector_norm(learned - learned.mean(dim=(1, 2, 3), keepdim=True))
        return {"total": error + self.flatness * unevenness, "image_error": error, "unevenness": unevenness}
