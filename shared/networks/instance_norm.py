"""Replace batch normalisation by instance normalisation."""

from __future__ import annotations

from torch import nn

__all__ = ["with_instance_norm"]

INSTANCE_NORMS = {
    nn.BatchNorm1d: nn.InstanceNorm1d,
    nn.BatchNorm2d: nn.InstanceNorm2d,
    nn.BatchNorm3d: nn.InstanceNorm3d,
}


def with_instance_norm(network: nn.Module) -> nn.Module:
    """Replace every batch normalisation by an instance normalisation with the same number of weights.

    For batches of one image. With batch normalisation a network is then trained on each image's own statistics but
    evaluated with the mean of many, and fails on images that are unlike that mean.

    Args:
        network: changed in place, and returned.
    """
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if kind := INSTANCE_NORMS.get(type(child)):
                setattr(parent, name, kind(child.num_features, eps=child.eps, affine=child.affine))
    return network
