"""Segmentation loss of every expert."""

from __future__ import annotations

from torch import Tensor, nn

from .weighted_cross_entropy import WeightedCrossEntropyDiceLoss

__all__ = ["ExpertSupervisionLoss"]


class ExpertSupervisionLoss(nn.Module):
    r"""Segmentation loss of every expert alone, summed over experts.

    .. math:: \frac{1}{B} \sum_b \sum_{m \in A_b} L_{WCE}(p_{bm}, y_b) + L_{DL}(p_{bm}, y_b)

    The first term of Eq. 8 of Tong et al., "CLoE: Expert Consistency Learning for Missing Modality Segmentation"
    (2026). Samples of a batch may have different experts: Dice is that of single samples.

    Args:
        loss: of logits (n, C, *spatial) and classes (n, 1, *spatial), a mean over samples. Without it
            `WeightedCrossEntropyDiceLoss` of single samples.
    """

    def __init__(self, loss: nn.Module | None = None) -> None:
        super().__init__()
        self.loss = WeightedCrossEntropyDiceLoss(batch=False) if loss is None else loss

    def forward(self, experts: Tensor, label: Tensor, mask: Tensor) -> Tensor:
        """Return the loss, a scalar; zero without any expert.

        Args:
            experts: logits (B, M, C, *spatial).
            label: classes (B, 1, *spatial).
            mask: boolean (B, M), which experts count.
        """
        samples, modalities = mask.nonzero(as_tuple=True)
        if len(samples) == 0:
            return experts.sum() * 0.0
        labels = label.as_subclass(Tensor)[samples]
        return self.loss(experts.as_subclass(Tensor)[samples, modalities], labels) * (len(samples) / len(mask))
