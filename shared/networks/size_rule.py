"""Which sizes an axis of an image may have, as a bundle's metadata write it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from ..errors import InputError

__all__ = ["SizeRule", "check_multiples", "check_sizes", "size_rules"]


class SizeRule(NamedTuple):
    """Sizes of one axis.

    Attributes:
        multiple: every size is a multiple of it.
        smallest: the smallest size.
        is_fixed: the smallest is the only one.
    """

    multiple: int
    smallest: int
    is_fixed: bool


def size_rules(spatial_shape: Sequence[int | str]) -> list[SizeRule]:
    """Read `spatial_shape` of a MONAI metadata.json: numbers, "*" (2 or more), "16*n" or "16*n+16" with n from 1.

    Raises:
        ValueError: anything else.
    """
    rules = []
    for axis in spatial_shape:
        found = re.fullmatch(r"(\d+)\*n(?:\+(\d+))?", str(axis).replace(" ", ""))
        if isinstance(axis, int):
            rules.append(SizeRule(axis, axis, is_fixed=True))
        elif axis == "*":
            rules.append(SizeRule(1, 2, is_fixed=False))  # an axis of 1 would be broadcast
        elif found and int(found[2] or 0) % int(found[1]) == 0:
            rules.append(SizeRule(int(found[1]), int(found[1]) + int(found[2] or 0), is_fixed=False))
        else:
            raise ValueError(f'spatial_shape: expected a number, "*", "16*n" or "16*n+16", got {axis!r}.')
    return rules


def check_sizes(spatial: Sequence[int], rules: Sequence[SizeRule]) -> None:
    """Refuse sizes that the rules do not allow.

    Raises:
        InputError: names the sizes and the rules.
    """
    if len(spatial) == len(rules) and all(
        size == rule.smallest if rule.is_fixed else size >= rule.smallest and size % rule.multiple == 0
        for size, rule in zip(spatial, rules, strict=True)
    ):
        return
    texts = [
        f"{rule.smallest}" if rule.is_fixed else f"a multiple of {rule.multiple} from {rule.smallest}" for rule in rules
    ]
    raise InputError(
        f"image: the exported network takes the sizes {', '.join(texts)}, got {tuple(spatial)}; choose another "
        "--patch_size or --image_size, or export again."
    )


def check_multiples(image: Tensor, in_channels: int, multiple: int) -> None:
    """Refuse an image that is not (B, `in_channels`, H, W) with H and W multiples of a number.

    Raises:
        InputError: names the shape.
    """
    if image.ndim != 4 or image.shape[1] != in_channels or image.shape[2] % multiple or image.shape[3] % multiple:
        raise InputError(
            f"image: must be (B, {in_channels}, H, W) with H and W multiples of {multiple}, got {tuple(image.shape)}; "
            "resize it (--image_size), or pad it."
        )
