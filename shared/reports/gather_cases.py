"""Bring together what several processes scored."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from monai.utils import string_list_all_gather

__all__ = ["gather_cases"]


def gather_cases(images: Sequence[Any], make: Callable[..., Any]) -> list[Any]:
    """Gather the images that the processes scored; an image that several scored is there once.

    Args:
        images: dataclass instances with `case`, of plain values.
        make: takes the fields of one as keywords and returns it again.
    """
    found = map(json.loads, string_list_all_gather([json.dumps(asdict(image)) for image in images]))
    return list({image.case: image for image in (make(**fields) for fields in found)}.values())
