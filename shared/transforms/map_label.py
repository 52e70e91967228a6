"""Translate the values of a label map into classes by a declared convention, never by guess."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends, convert_to_dst_type
from torch import Tensor

from ..errors import InputError
from .label_conventions import LABEL_CONVENTIONS
from .source_file import source_file

__all__ = ["MapLabel", "MapLabeld"]

ROUNDING = 1e-3  # labels stored as scaled or float32 numbers come back as 2.9999998


class MapLabel(Transform):
    """Replace every value of a label map by its class.

    Args:
        convention: a name in `LABEL_CONVENTIONS`, or a mapping from value to class (0 to 127) that lists every value
            that may occur.
    """

    backend = [TransformBackends.TORCH]

    def __init__(self, convention: str | Mapping[int | str, int]) -> None:
        if isinstance(convention, str) and convention not in LABEL_CONVENTIONS:
            known = ", ".join(LABEL_CONVENTIONS)
            raise InputError(f"label convention {convention!r} is unknown; choose one of {known}, or give a mapping.")
        self.name = convention if isinstance(convention, str) else "given in the config"
        mapping = LABEL_CONVENTIONS[convention] if isinstance(convention, str) else convention
        try:
            self.mapping = {int(value): int(label) for value, label in mapping.items()}  # JSON keys are text
        except (AttributeError, TypeError, ValueError):
            self.mapping = {}
        if not self.mapping or not all(0 <= label <= 127 for label in self.mapping.values()):
            raise InputError(
                f"label convention {mapping}: give a mapping from value to class (0 to 127), or one of "
                f"{', '.join(LABEL_CONVENTIONS)} (--label_convention)."
            )

    def __call__(self, label: Tensor) -> Tensor:
        """Map a label (1, *spatial) of any number type to classes of the same shape, int8.

        int8 is the smallest type that all of MONAI's transforms take. With uint8 its crops around labels draw
        "background" from every voxel (`map_binary_to_indices` inverts bits where `torch.any` returns no bool).
        """
        values = torch.as_tensor(label.as_tensor() if isinstance(label, MetaTensor) else label)
        if values.shape[0] != 1:
            raise InputError(f"{source_file(label, 'label')}: a label has one channel, this one has {values.shape[0]}.")
        rounded = values.round() if values.is_floating_point() else values
        if not ((values - rounded).abs() <= ROUNDING).all():  # also catches NaN
            raise InputError(
                f"{source_file(label, 'label')}: not a label map, it holds values that are not whole numbers, such as "
                f"{_first_fraction(values, rounded)}; give the label map, not an image or a probability."
            )
        classes = torch.zeros(values.shape, dtype=torch.int8, device=values.device)
        known = torch.zeros(values.shape, dtype=torch.bool, device=values.device)
        for value, klass in self.mapping.items():
            here = rounded == value
            known |= here
            classes[here] = klass
        if not known.all():
            self._refuse(label, sorted(int(value) for value in rounded.unique()))
        return convert_to_dst_type(classes, dst=label, dtype=torch.int8)[0]

    def _refuse(self, label: Tensor, found: list[int]) -> None:
        """Say which values do not belong here, and which conventions would take them all."""
        fitting = [name for name, mapping in LABEL_CONVENTIONS.items() if set(found) <= set(mapping)]
        remedy = f"they fit {' and '.join(fitting)}" if fitting else "give a mapping that lists them all"
        raise InputError(
            f"{source_file(label, 'label')}: label values {_short(found)} do not fit convention {self.name} "
            f"({_short(sorted(self.mapping))}); {remedy} (--label_convention)."
        )


class MapLabeld(MapTransform):
    """Dictionary version of `MapLabel`.

    Args:
        keys: label maps to translate.
        convention: see `MapLabel`.
        allow_missing_keys: skip absent keys instead of raising.
    """

    backend = MapLabel.backend

    def __init__(
        self, keys: KeysCollection, convention: str | Mapping[int | str, int], allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.map_label = MapLabel(convention)

    def __call__(self, data: Mapping[Hashable, Tensor]) -> dict[Hashable, Tensor]:
        mapped = dict(data)
        for key in self.key_iterator(mapped):
            mapped[key] = self.map_label(mapped[key])
        return mapped


def _first_fraction(values: Tensor, rounded: Tensor) -> float:
    return round(float(values[~((values - rounded).abs() <= ROUNDING)][0]), 4)


def _short(values: list[int]) -> str:
    return ", ".join(map(str, values)) if len(values) <= 10 else f"{', '.join(map(str, values[:10]))}, ..."
