"""Train one module on several processes."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["distribute"]


def distribute(module: nn.Module, device: torch.device, find_unused_parameters: bool = False) -> nn.Module:
    """Move a network or a loss to this process's device and let its gradients be averaged over all processes.

    A module without trainable parameters (a plain loss) is only moved: DistributedDataParallel refuses it.

    Args:
        module: moved in place; the same on every process.
        device: of this process. On a GPU batch normalisation uses the statistics of all processes.
        find_unused_parameters: for networks with parameters that their loss never reaches; costs time.
    """
    module = module.to(device)
    if not any(parameter.requires_grad for parameter in module.parameters()):
        return module
    on_gpu = device.type == "cuda"
    if on_gpu:
        module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
    return nn.parallel.DistributedDataParallel(
        module, device_ids=[device] if on_gpu else None, find_unused_parameters=find_unused_parameters
    )
