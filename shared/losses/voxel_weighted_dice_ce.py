"""Dice and cross-entropy in which some voxels count more than others."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from ..transforms.onehot_label import onehot_label
from .region_curriculum import weighted_mean

__all__ = ["VoxelWeightedDiceCELoss", "voxel_weighted_dice_loss"]

SMOOTH = 1e-5  # as in MONAI's DiceLoss


def voxel_weighted_dice_loss(probabilities: Tensor, onehot: Tensor, weights: Tensor) -> Tensor:
    r"""Soft Dice loss in which every voxel counts by its weight.

    .. math:: 1 - \frac{2 \sum_v w_v p_{vc} y_{vc}}{\sum_v w_v p_{vc} + \sum_v w_v y_{vc}}

    mean over classes (background included) and batch. With weights of 0 and 1 it is MONAI's `MaskedDiceLoss`. That one
    multiplies p and y by the weight each, so that the numerator has w squared: a perfect prediction then has a loss
    above 0 under weights between, and voxels of less than half the weight are pushed away from their class.

    Args:
        probabilities: p, (B, C, *spatial).
        onehot: y, same shape.
        weights: w, (B, 1, *spatial), at least 0.

    Returns:
        A scalar.
    """
    spatial = tuple(range(2, probabilities.ndim))
    overlap = (weights * probabilities * onehot).sum(spatial)
    volumes = (weights * probabilities).sum(spatial) + (weights * onehot).sum(spatial)
    return (1 - (2 * overlap + SMOOTH) / (volumes + SMOOTH)).mean()


class VoxelWeightedDiceCELoss(nn.Module):
    """`voxel_weighted_dice_loss` plus the weighted mean of the cross-entropy, for exclusive classes.

    Where all weights are 1 it is MONAI's ``DiceCELoss(to_onehot_y=True, softmax=True)``. The base loss of a
    `ParetoFuzzyLoss` with a curriculum.
    """

    def forward(self, logits: Tensor, label: Tensor, weights: Tensor) -> Tensor:
        """Return the loss, a scalar.

        Args:
            logits: (B, C, *spatial).
            label: (B, 1, *spatial), values 0 to C - 1.
            weights: (B, 1, *spatial), at least 0; a batch of zeros has no gradient.
        """
        onehot = onehot_label(label, logits.shape[1])
        cross_entropy = functional.cross_entropy(logits, onehot.to(logits.dtype), reduction="none")
        dice = voxel_weighted_dice_loss(logits.softmax(dim=1), onehot, weights)
        return dice + weighted_mean(cross_entropy, weights)
