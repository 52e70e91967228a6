"""Write a network as `.pt2` or ONNX, and compare what was written with the network."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from shared.networks.exported_network import DESCRIPTION
from shared.networks.size_rule import SizeRule

AXES = ("height", "width", "depth")
TOLERANCE = 1e-4  # of the largest logit


def exported_program(network: nn.Module, channels: int, rules: Sequence[SizeRule]) -> torch.export.ExportedProgram:
    """Export a network in evaluation for every batch and for all sizes that the rules allow.

    Args:
        network: from images (B, `channels`, *spatial) to logits.
        channels: of the image.
        rules: of the spatial axes. All sizes of a rule that is not fixed are in one graph.
    """
    dims: dict[int, Any] = {0: torch.export.Dim("batch")}
    size = []
    for axis, (name, rule) in enumerate(zip(AXES, rules, strict=False)):
        count = max(2, rule.smallest // rule.multiple)  # with one block PyTorch would take the size for a constant
        size.append(rule.smallest if rule.is_fixed else count * rule.multiple)
        if not rule.is_fixed and rule.multiple == 1:
            dims[2 + axis] = torch.export.Dim.AUTO
        elif not rule.is_fixed:
            dims[2 + axis] = rule.multiple * torch.export.Dim(f"{name}_blocks", min=rule.smallest // rule.multiple)
    if all(rule.multiple == 1 for rule in rules):
        size = [32 for _ in rules]  # deep networks halve the size several times
    with torch.no_grad(), quiet():
        return torch.export.export(network.eval(), (torch.zeros(2, channels, *size),), dynamic_shapes=(dims,))


def write_pt2(program: torch.export.ExportedProgram, path: Path, description: Mapping[str, Any]) -> None:
    """Write a program as PyTorch does, with the description."""
    with quiet():
        torch.export.save(program, str(path), extra_files={DESCRIPTION: json.dumps(description)})


def write_onnx(program: torch.export.ExportedProgram, path: Path, description: Mapping[str, Any]) -> None:
    """Write a program as ONNX in one file, with named axes and the description."""
    with quiet():
        written = torch.onnx.export(program, (), dynamo=True, input_names=["image"], output_names=["logits"])
        model = written.model
        for value in (*model.graph.inputs, *model.graph.outputs):
            named = ("batch", None, *AXES)
            for axis, size in enumerate(value.shape):
                if not isinstance(size, int):
                    value.shape[axis] = named[axis]
        model.metadata_props[DESCRIPTION] = json.dumps(description)
        written.save(str(path), external_data=False)


def probe_images(channels: int, rules: Sequence[SizeRule], may_lack: bool) -> Iterator[Tensor]:
    """Give random images of several batches, sizes and subsets.

    The first batch has the smallest size and, where modalities may be absent, one image per non-empty subset, NaN where
    one is absent. The second is one image of other sizes.

    Args:
        channels: of the image.
        rules: of its spatial axes.
        may_lack: a channel is a modality, which may be absent.
    """
    random = torch.Generator().manual_seed(0)
    every = [keep for keep in product([True, False], repeat=channels) if any(keep)]
    subsets = every if may_lack else every[:1] * 3
    smallest = [max(rule.smallest, 32 if rule.multiple == 1 else 0) for rule in rules]
    images = torch.randn(len(subsets), channels, *smallest, generator=random)
    for image, keep in zip(images, subsets, strict=True):
        image[~torch.tensor(keep)] = torch.nan
    yield images
    if not all(rule.is_fixed for rule in rules):
        odd = 5  # with multiples of one, sizes that no power of two divides
        others = [
            size if rule.is_fixed else size + (odd if rule.multiple == 1 else rule.multiple * (1 + axis % 2))
            for axis, (size, rule) in enumerate(zip(smallest, rules, strict=True))
        ]
        yield torch.randn(1, channels, *others, generator=random)


def largest_difference(expected: nn.Module, run: Callable[[Tensor], Tensor], images: Iterable[Tensor]) -> float:
    """Return the largest difference of two networks' logits, as a share of the largest logit (at least of 1)."""
    worst = 0.0
    for image in images:
        with torch.no_grad():
            wanted, found = expected(image), run(image)
        if found.shape != wanted.shape or not found.isfinite().all():
            return float("inf")
        worst = max(worst, ((found - wanted).abs().max() / wanted.abs().max().clamp(min=1)).item())
    return worst


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what the exporters print and warn of."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        logging.disable(logging.WARNING)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            logging.disable(logging.NOTSET)
