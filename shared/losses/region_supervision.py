"""Loss of a region map against the foreground, and what the log says of the map."""

from __future__ import annotations

from monai.losses import DiceCELoss
from torch import Tensor, nn

__all__ = ["RegionSupervisionLoss", "region_means"]


class RegionSupervisionLoss(nn.Module):
    """Cross-entropy and Dice of a region map against the foreground, all voxels with a label above 0.

    Not in Tong et al., "CLoE: Expert Consistency Learning for Missing Modality Segmentation" (2026). It replaces the
    gradient of `RegionExpertConsistencyLoss` to the map, which alone makes the map dark where experts disagree: in the
    lesion.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loss = DiceCELoss(sigmoid=True)

    def forward(self, region: Tensor, label: Tensor) -> Tensor:
        """Return the loss, a scalar.

        Args:
            region: logits (B, 1, *spatial).
            label: classes (B, 1, *spatial).
        """
        return self.loss(region.float(), (label.as_subclass(Tensor) > 0).float())


def region_means(region: Tensor, label: Tensor) -> dict[str, Tensor]:
    """Return the mean of the region map inside and outside of the foreground, `region_inside` and `region_outside`.

    Args:
        region: logits (B, 1, *spatial); no gradient goes into them.
        label: classes (B, 1, *spatial).

    Returns:
        Scalars; NaN where there is no such voxel.
    """
    probability, foreground = region.detach().float().sigmoid(), label.as_subclass(Tensor) > 0
    parts = {"region_inside": foreground, "region_outside": ~foreground}
    return {name: (probability * part).sum() / part.sum() for name, part in parts.items()}
