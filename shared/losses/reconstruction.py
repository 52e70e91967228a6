"""Loss of images that are reconstructed from content and style."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..networks.present_modalities import masked
from .gaussian_divergence import gaussian_divergence

__all__ = ["ReconstructionLoss", "reconstruction_error"]

NORMS = ("l1", "mse")


def reconstruction_error(images: Tensor, target: Tensor, present: Tensor, norm: str = "l1") -> Tensor:
    """Mean absolute ("l1") or squared ("mse") error over the voxels of all images that are present, a scalar.

    Args:
        images: (B, M, *spatial).
        target: same shape; NaN or anything where an image is not present.
        present: boolean (B, M).
        norm: "l1" or "mse".
    """
    difference = masked(images - target, present)
    size = difference.abs() if norm == "l1" else difference.square()
    return size.sum() / (present.sum() * difference[0, 0].numel())


class ReconstructionLoss(nn.Module):
    r"""Error of the reconstructed images, and divergence of the style's Gaussians from the standard one.

    .. math:: \|x - \hat{x}\| + D_{KL}(z \| N(0, I))

    The last term of Eq. 10 of Tong et al., "CLoE: Expert Consistency Learning for Missing Modality Segmentation"
    (2026), with an absolute error; the code of DC-Seg (Li et al., MICCAI 2025) has a squared error. Both parts are
    means, over the modalities that are present, also those that `keep` hides. Nothing is drawn from the Gaussians: the
    divergence keeps the parameters of the decoders' normalisations near zero and one.

    Args:
        norm: "l1" or "mse".
        divergence_weight: of the divergence.
    """

    def __init__(self, norm: str = "l1", divergence_weight: float = 1.0) -> None:
        super().__init__()
        if norm not in NORMS:
            raise InputError(f"norm must be one of {', '.join(NORMS)}, got {norm!r}.")
        if not divergence_weight >= 0:
            raise InputError(f"divergence_weight must be at least 0, got {divergence_weight}.")
        self.norm = norm
        self.divergence_weight = divergence_weight

    def forward(self, prediction: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """Return the loss, a scalar, computed in float32 under autocast as well.

        Args:
            prediction: "images" (B, M, *spatial), "style_mean" and "style_log_variance" (B, M, S), "present" (B, M).
            target: "image" (B, M, *spatial), absent modalities NaN.
        """
        terms = self.terms(prediction, target)
        return terms["image_error"] + self.divergence_weight * terms["style_divergence"]

    def terms(self, prediction: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the parts, not weighted: `image_error` and `style_divergence`."""
        present = prediction["present"]
        with torch.autocast(present.device.type, enabled=False):
            image = target["image"].as_subclass(Tensor)
            error = reconstruction_error(prediction["images"].float(), image, present, self.norm)
            means, log_variances = (prediction[name].float()[present] for name in ("style_mean", "style_log_variance"))
            zeros = torch.zeros_like(means)
            divergence = gaussian_divergence(means, log_variances, zeros, zeros).mean()
        return {"image_error": error, "style_divergence": divergence}
