"""Cross-entropy weighted by how rare each class is in the image, plus Dice: the loss of RFNet, mmFormer and DC-Seg."""

from __future__ import annotations

import torch
from monai.losses import DiceLoss
from torch import Tensor, nn
from torch.nn import functional

from ..errors import InputError
from ..transforms.onehot_label import onehot_label

__all__ = ["WeightedCrossEntropyDiceLoss", "weighted_cross_entropy"]

LEGACY_FLOOR = 0.005


def weighted_cross_entropy(logits: Tensor, onehot: Tensor, legacy_clamp: bool = False) -> Tensor:
    r"""Cross-entropy whose classes weigh 1 - their share of the image, mean over voxels and batch.

    .. math:: -\frac{1}{BN} \sum_{b,v,c} w_{bc} y_{bvc} \log p_{bvc}, \qquad w_{bc} = 1 - \frac{1}{N} \sum_v y_{bvc}

    As in the codes of RFNet (Ding et al., ICCV 2021) and mmFormer (Zhang et al., MICCAI 2022), except that these clamp
    p to 0.005 and above: where the network is most wrong, the gradient is then zero. Here it is not, unless asked for.

    Args:
        logits: (B, C, *spatial).
        onehot: same shape.
        legacy_clamp: clamp p as the published codes do, to compare with them.

    Returns:
        A scalar.
    """
    if logits.shape != onehot.shape:
        raise ValueError(f"shapes differ: logits {tuple(logits.shape)}, onehot {tuple(onehot.shape)}")
    log_p = logits.log_softmax(dim=1)
    if legacy_clamp:
        log_p = log_p.exp().clamp(min=LEGACY_FLOOR).log()
    weights = 1 - onehot.flatten(2).mean(dim=2)  # (B, C)
    per_class = -(onehot * log_p).flatten(2).mean(dim=2)
    return (weights * per_class).sum(dim=1).mean()


class WeightedCrossEntropyDiceLoss(nn.Module):
    """`weighted_cross_entropy` plus Dice over all classes, the background too, whose sums run over the whole batch.

    A class that is not in the batch adds a constant to Dice and no gradient against its false positives: so published.
    Computed in float32 under autocast.

    With these weights the background counts little where lesions are small, and short trainings predict lesions that
    are too large. Without them the loss is cross-entropy plus Dice.

    Args:
        weighted: weigh the classes.
        legacy_clamp: see `weighted_cross_entropy`.
        batch: Dice of the whole batch, as published; otherwise of every sample, and their mean.
        squared: Dice with squared probabilities in its denominator (RobustSeg).
    """

    def __init__(
        self, weighted: bool = True, legacy_clamp: bool = False, batch: bool = True, squared: bool = False
    ) -> None:
        super().__init__()
        if legacy_clamp and not weighted:
            raise InputError("legacy_clamp: belongs to the weighted loss; set weighted to true, or leave it out.")
        self.weighted = weighted
        self.legacy_clamp = legacy_clamp
        self.dice = DiceLoss(softmax=True, squared_pred=squared, batch=batch, smooth_nr=0.0, smooth_dr=1e-7)

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Return the loss, a scalar, of logits (B, C, *spatial) and classes (B, 1, *spatial)."""
        with torch.autocast(logits.device.type, enabled=False):
            logits = logits.as_subclass(Tensor).to(torch.promote_types(logits.dtype, torch.float32))
            onehot = onehot_label(label.as_subclass(Tensor), logits.shape[1]).to(logits.dtype)
            if self.weighted:
                cross_entropy = weighted_cross_entropy(logits, onehot, self.legacy_clamp)
            else:
                cross_entropy = functional.cross_entropy(logits, onehot)
            return cross_entropy + self.dice(logits, onehot)
