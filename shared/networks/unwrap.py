"""Take the wrappers of PyTorch off a network or a loss."""

from __future__ import annotations

from typing import Any

__all__ = ["COMPILED", "unwrap"]

COMPILED = "_orig_mod"  # attribute of torch.compile's wrapper; also a prefix of the names in its state dict


def unwrap(module: Any) -> Any:
    """Return what DistributedDataParallel or torch.compile wraps, or the object itself."""
    module = getattr(module, "module", module)
    return getattr(module, COMPILED, module)
