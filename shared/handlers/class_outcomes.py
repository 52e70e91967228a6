"""Hand what an evaluator found about classes to a metric of ignite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["class_probabilities_and_truth"]


def class_probabilities_and_truth(output: Sequence[Mapping[str, Any]]) -> tuple[Tensor, Tensor]:
    """Return probabilities (B, K) and true classes (B,) of a decollated output, for an `output_transform`.

    Args:
        output: items with "class_probabilities" (K,) and "true_class".
    """
    probabilities = torch.stack([item["class_probabilities"].as_subclass(Tensor) for item in output])
    return probabilities, torch.as_tensor([int(item["true_class"]) for item in output], device=probabilities.device)
