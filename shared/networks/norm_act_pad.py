"""Instance normalisation, leaky ReLU and reflect padding as one function for training on a CPU."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from .present_modalities import is_tracing_or_exporting

__all__ = ["can_norm_act_pad", "norm_act_pad"]

CACHED = 2**19  # numbers of a feature map that all steps work on before the next part of the batch
AXES = (1, 2, 3)  # of maps (N, H, W, D, C)


def can_norm_act_pad(features: Tensor) -> bool:
    """Whether `norm_act_pad` takes a feature map (N, C, H, W, D).

    It is on a CPU and in channels-last memory, has two voxels or more along every axis, and no graph is recorded.
    """
    if features.device.type != "cpu" or is_tracing_or_exporting() or torch.compiler.is_compiling():
        return False
    precise = features.dtype in (torch.float32, torch.float64)
    return precise and min(features.shape[2:]) > 1 and features.is_contiguous(memory_format=torch.channels_last_3d)


def norm_act_pad(features: Tensor, negative_slope: float, eps: float, padding: int) -> Tensor:
    """Instance normalisation without weights, leaky ReLU, then reflect padding; see `can_norm_act_pad`.

    PyTorch's instance normalisation copies a channels-last map to contiguous memory and back, and every step reads the
    whole batch from memory. Here all steps run on one part of the batch at a time, which stays in the cache, and the
    last one writes into the padded map. Backward keeps this map only: the leaky ReLU can be inverted.

    Args:
        features: (N, C, H, W, D).
        negative_slope: of the leaky ReLU, more than 0.
        eps: added to the variance.
        padding: on every side of the last three axes, 0 or 1.

    Returns:
        (N, C, H + 2 padding, W + 2 padding, D + 2 padding), in channels-last memory; a plain tensor.
    """
    return _NormActPad.apply(features.as_subclass(Tensor), negative_slope, eps, padding)


class _NormActPad(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, features: Tensor, negative_slope: float, eps: float, padding: int) -> Tensor:
        maps = _channels_behind(features)
        batch, *size, channels = maps.shape
        padded = maps.new_empty(batch, *(length + 2 * padding for length in size), channels)
        scales = maps.new_empty(batch, 1, 1, size[2] * channels)
        for part in _parts(maps):
            rows = maps[part].flatten(3)
            centred = rows - _mean(rows, channels)
            scales[part] = (_mean(centred.square(), channels) + eps).rsqrt()
            active = torch.nn.functional.leaky_relu_(centred, negative_slope)
            torch.mul(active, scales[part], out=_inner_rows(padded[part], padding))
        if padding:
            for axis in reversed(AXES):
                for border, source in _mirrored(padded, axis):
                    border.copy_(source)
        ctx.save_for_backward(padded, scales)
        ctx.negative_slope, ctx.padding = negative_slope, padding
        return padded.permute(0, 4, 1, 2, 3)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        padded, scales = ctx.saved_tensors
        gradients = _channels_behind(gradient)
        channels, padding = padded.shape[4], ctx.padding
        of_features = padded.new_empty(len(padded), *(length - 2 * padding for length in padded.shape[1:4]), channels)
        for part in _parts(of_features):
            of_padded = gradients[part]
            if padding:
                of_padded = of_padded.clone()
                for axis in AXES:
                    for border, source in _mirrored(of_padded, axis):
                        source.add_(border)
            active = _inner_rows(padded[part], padding)
            of_normal = torch.ops.aten.leaky_relu_backward(
                _inner_rows(of_padded, padding), active, ctx.negative_slope, True
            )
            normal = torch.nn.functional.leaky_relu(active, 1 / ctx.negative_slope)
            scale = scales[part]
            shift = -scale * _mean(of_normal, channels)
            slope = -scale * _mean(of_normal * normal, channels)
            rows = of_features[part].flatten(3)
            torch.addcmul(shift, of_normal, scale, out=rows).addcmul_(normal, slope)
        return of_features.permute(0, 4, 1, 2, 3), None, None, None


def _channels_behind(features: Tensor) -> Tensor:
    """Return (N, C, H, W, D) as contiguous (N, H, W, D, C)."""
    return features.permute(0, 2, 3, 4, 1).contiguous()


def _parts(maps: Tensor) -> Iterator[slice]:
    """Divide a batch into parts of about `CACHED` numbers, one sample or more each."""
    samples = max(1, CACHED // max(1, maps[0].numel()))
    for start in range(0, len(maps), samples):
        yield slice(start, start + samples)


def _inner_rows(padded: Tensor, padding: int) -> Tensor:
    """Return (N, H, W, D C), a view without the padding; long rows are what a CPU computes fast."""
    height, width, depth, channels = padded.shape[1:]
    rows = padded.flatten(3).narrow(1, padding, height - 2 * padding).narrow(2, padding, width - 2 * padding)
    return rows.narrow(3, padding * channels, (depth - 2 * padding) * channels)


def _mean(rows: Tensor, channels: int) -> Tensor:
    """Return the mean of every channel over rows (N, H, W, D C), repeated to (N, 1, 1, D C)."""
    batch, height, width, length = rows.shape
    depth = length // channels
    mean = rows.sum(dim=(1, 2)).view(batch, depth, channels).sum(dim=1) / (height * width * depth)
    return mean.repeat(1, depth).view(batch, 1, 1, length)


def _mirrored(padded: Tensor, axis: int) -> list[tuple[Tensor, Tensor]]:
    """Return the two borders of one voxel along an axis, each with the voxels that it mirrors."""
    last = padded.shape[axis] - 1
    return [
        (padded.select(axis, 0), padded.select(axis, 2)),
        (padded.select(axis, last), padded.select(axis, last - 2)),
    ]
