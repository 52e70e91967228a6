"""Focal Tversky loss: missed pixels count more than surplus ones, and hard batches more than easy ones."""

from __future__ import annotations

from monai.losses import TverskyLoss
from torch import Tensor

from .lesion_mask import LesionMaskLoss

__all__ = ["FocalTverskyLoss"]


class FocalTverskyLoss(LesionMaskLoss):
    r"""Focal Tversky loss.

    .. math:: L_{FT} = \left(1 - \frac{TP + s}{TP + \alpha FP + \beta FN + s}\right)^\gamma

    Abraham and Khan, "A Novel Focal Tversky Loss Function with Improved Attention U-Net for Lesion Segmentation"
    (2019), with the numbers of Al Shafi et al., "Multi-Level Bidirectional Decoder Interaction for Uncertainty-Aware
    Breast Ultrasound Analysis", Section 2.4.

    1 - TI is at least 1e-7 here: at a perfect prediction the power's gradient is not finite.

    Args:
        alpha: weight of false positives.
        beta: weight of false negatives.
        gamma: exponent.
        batch: count TP, FP, FN over the whole batch, as Abraham and Khan's program does; else per image, then the mean.
            Per image, one without a lesion has a loss of FP alone, which with a small `smooth` is 1 whatever the
            network says, with no gradient.
        smooth: s, in pixels.
    """

    def __init__(
        self, alpha: float = 0.3, beta: float = 0.7, gamma: float = 0.75, batch: bool = True, smooth: float = 1.0
    ) -> None:
        super().__init__()
        if not (alpha >= 0 and beta >= 0 and gamma > 0 and smooth > 0):
            got = f"{alpha}, {beta}, {gamma}, {smooth}"
            raise ValueError(f"alpha, beta must be at least 0 and gamma, smooth positive, got {got}.")
        self.tversky = TverskyLoss(
            alpha=alpha, beta=beta, reduction="none", smooth_nr=smooth, smooth_dr=smooth, batch=batch
        )
        self.gamma = gamma

    def of_probability(self, probability: Tensor, mask: Tensor) -> Tensor:
        """Return the loss, a scalar."""
        return self.tversky(probability, mask).clamp(min=1e-7).pow(self.gamma).mean()
