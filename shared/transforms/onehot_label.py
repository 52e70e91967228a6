"""One-hot form of a class label."""

from __future__ import annotations

import torch
from monai.data import MetaTensor
from monai.utils import convert_to_tensor
from torch import Tensor

from ..errors import InputError

__all__ = ["onehot_label"]


def onehot_label(label: Tensor, num_classes: int) -> Tensor:
    """Write a class label as one channel per class, and refuse values that are no class.

    MONAI's `one_hot` ends with an index error on such a value, and takes fractions for whole numbers.

    Args:
        label: (B, 1, *spatial), values 0 to C - 1 in any type.
        num_classes: C.

    Returns:
        (B, C, *spatial), boolean.
    """
    if label.ndim < 3 or label.shape[1] != 1:
        raise ValueError(f"label must have one channel of class values, got shape {tuple(label.shape)}, batch first.")
    values = convert_to_tensor(label, track_meta=False)
    onehot = torch.empty((len(values), num_classes, *values.shape[2:]), dtype=torch.bool, device=values.device)
    for value in range(num_classes):
        torch.eq(values[:, 0], value, out=onehot[:, value])
    if int(onehot.count_nonzero()) != values.numel():
        unknown = dict.fromkeys(f"{value:g}" for value in values.unique().tolist() if value not in range(num_classes))
        unknown = ", ".join(list(unknown)[:5])
        file = label.meta.get("filename_or_obj") if isinstance(label, MetaTensor) else None
        raise InputError(
            f"{file if isinstance(file, str) else 'label'}: values {unknown} are outside the classes "
            f"0 to {num_classes - 1}; map the label to classes first, or correct num_classes."
        )
    return onehot
