"""Which modalities an image has and may be used: the one place that reads the mark of an absent modality, NaN."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import InputError

__all__ = ["available_modalities", "is_tracing_or_exporting", "masked", "nan_without_modalities", "present_modalities"]


def present_modalities(image: Tensor) -> Tensor:
    """Return which modalities are present, boolean (B, M).

    Args:
        image: (B, M, *spatial); a modality with any NaN is absent.
    """
    return ~image.isnan().flatten(2).any(dim=-1)


def available_modalities(image: Tensor, keep: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return which modalities are present and which of them are available, both boolean (B, M).

    Args:
        image: (B, M, *spatial); a modality with any NaN is absent.
        keep: boolean (B, M); modalities where it is False are present but not available. Without it all are kept.

    Raises:
        ValueError: another `keep`, or a sample without any available modality. Graphs that are fixed cannot raise: for
            them there is `nan_without_modalities`.
    """
    present = present_modalities(image)
    can_raise = True
    if not torch.jit.is_scripting():
        can_raise = not is_tracing_or_exporting()
        if can_raise and keep is not None and (keep.dtype != torch.bool or keep.shape != present.shape):
            raise InputError(
                f"keep must be boolean (B, M) = {tuple(present.shape)}, got {keep.dtype} {tuple(keep.shape)}."
            )
    available = present if keep is None else present & keep
    if can_raise:
        _check_any(available)
    return present, available


def masked(features: Tensor, mask: Tensor) -> Tensor:
    """Put zeros into features (B, E, ...) where the mask (B, E) is False, also in place of NaN."""
    return torch.where(mask.view(list(mask.shape) + [1] * (features.ndim - 2)), features, 0.0)


def nan_without_modalities(logits: Tensor, available: Tensor) -> Tensor:
    """Put NaN into logits (B, C, *spatial) of samples with no available modality, boolean (B, M)."""
    return torch.where(available.any(dim=1).view([-1] + [1] * (logits.ndim - 1)), logits, torch.nan)


def is_tracing_or_exporting() -> bool:
    """Whether operations are being recorded, by `torch.jit.trace` or `torch.export`, to be run on other images.

    Not for TorchScript: ask `torch.jit.is_scripting` in an `if` of its own before.
    """
    return torch.jit.is_tracing() or torch.compiler.is_exporting()


def _check_any(available: Tensor) -> None:
    empty: list[int] = (~available.any(dim=1)).nonzero().flatten().tolist()
    if len(empty) > 0:
        raise ValueError(f"image: no modality is available in sample {empty[0]}; keep at least one that is there.")
