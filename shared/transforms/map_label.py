"""Translate the values of a label map into classes by a declared convention, never by guess."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends, convert_to_dst_type
from torch import Tensor

from ..errors import InputError
from .described_labels import described_labels
from .label_conventions import conventions_of_name, describe_conventions, find_convention
from .label_tables import label_table
from .label_values import round_values, values_of_files, values_of_label
from .source_file import source_file

__all__ = ["MapLabel", "MapLabeld"]

Cases = Mapping[str, Sequence[Mapping[str, Any]]] | Sequence[Mapping[str, Any]]


class MapLabel(Transform):
    """Replace every value of a label map by its class.

    Args:
        convention: a name in the table, or a mapping from value to class (0 to 127) that lists every value
            that may occur. None takes the convention of the layout, unless the name of a case says that its numbers
            are another challenge's: then the user has to choose.
        layout: see `shared.data.find_mri_cases`; counts where no convention is given.
        cases: the cases that are used, or `split_cases`'s parts of them: their names are compared with the convention
            at once, and their labels are read before an unknown value is answered with an advice.
        table: what the labels show, a name in `LABEL_TABLES`.
        setting: the option with which a user gives `convention`, for an error.
    """

    backend = [TransformBackends.TORCH]

    def __init__(
        self,
        convention: str | Mapping[int | str, int] | None,
        layout: str | Mapping[str, str] | None = None,
        cases: Cases = (),
        table: str = "brain_tumour",
        setting: str = "--label_convention",
    ) -> None:
        self.setting = setting
        self.table = label_table(table)
        self.name, self.mapping = find_convention(convention, layout, self.table)
        self.is_given = convention is not None
        parts = cases.values() if isinstance(cases, Mapping) else [cases]
        used = {str(item["label"]): str(item.get("case", "")) for part in parts for item in part if item.get("label")}
        self.labels = list(used)
        for path, case in used.items():
            self.check_name(case, path)
        self._check_description(next(iter(used), None))

    def __call__(self, label: Tensor) -> Tensor:
        """Map a label (1, *spatial) of any number type to classes of the same shape, int8.

        int8 is the smallest type that all of MONAI's transforms take. With uint8 its crops around labels draw
        "background" from every voxel (`map_binary_to_indices` inverts bits where `torch.any` returns no bool).
        """
        values = torch.as_tensor(label.as_tensor() if isinstance(label, MetaTensor) else label)
        file = source_file(label, "label")
        if values.shape[0] != 1:
            raise InputError(f"{file}: a label has one channel, this one has {values.shape[0]}.")
        rounded = round_values(values, file)
        classes = torch.zeros(values.shape, dtype=torch.int8, device=values.device)
        known = torch.zeros(values.shape, dtype=torch.bool, device=values.device)
        for value, klass in self.mapping.items():
            here = rounded == value
            known |= here
            classes[here] = klass
        if not known.all():
            self._refuse(file, values_of_label(rounded))
        return convert_to_dst_type(classes, dst=label, dtype=torch.int8)[0]

    def check_name(self, case: str, path: str) -> None:
        """Refuse a case whose name promises other numbers than the layout's convention, where no other was given."""
        promised = conventions_of_name(case, path, self.table)
        if promised and not self.is_given and self.name not in promised:
            values = {value for name in (self.name, *promised) for value in self.table.mappings[name]}
            choices = describe_conventions([*promised, self.name], values, self.table)
            raise InputError(
                f"{path}: the name of case {case} does not fit the label numbers of layout {self.name}; give "
                f"--label_convention with what the labels follow: {choices}."
            )

    def _check_description(self, path: str | None) -> None:
        """Refuse a named convention that contradicts the names of the labels in the data set's dataset.json."""
        described = described_labels(path, self.table.words) if path else {}
        known = {value: klass for value, klass in described.items() if klass is not None}
        if self.name not in self.table.mappings or all(self.mapping.get(value) == known[value] for value in known):
            return
        mapping = ", ".join(
            f"{value}: {described[value] if value in known else 'CLASS'}" for value in sorted(described)
        )
        raise InputError(
            f"{path}: the names of the labels in its dataset.json mean {{{mapping}}} ({self.table.classes}), but "
            f"convention {self.name} reads {self.mapping}; give --label_convention with what is right, as "
            f'"{{{mapping}}}".'
        )

    def _refuse(self, file: str, own: set[int]) -> None:
        """Say which values do not belong here, and what all values in use would become under other conventions."""
        unknown = sorted(own - set(self.mapping))
        found = own | values_of_files(path for path in self.labels if path != file)
        fitting = [
            name
            for name, mapping in self.table.mappings.items()
            if found <= set(mapping) and max(mapping.values()) <= self.table.last_class
        ]
        promised = [name for name in conventions_of_name(Path(file).name, file, self.table) if name in fitting]
        described = describe_conventions(promised or fitting, found, self.table)
        mapping = f'a mapping of every value to {self.table.classes}, as "{{0: 0, 7: {self.table.last_class}}}"'
        all_labels = f"all {len(self.labels)} labels in use hold" if len(self.labels) > 1 else "the label holds"
        raise InputError(
            f"{file}: label value{'s' * (len(unknown) > 1)} {_short(unknown)} not in convention {self.name} "
            f"({_short(sorted(self.mapping))}); {all_labels} {_short(sorted(found))}. Give {self.setting} with "
            f"what they mean: {f'{described}, or {mapping}' if described else mapping}."
        )


class MapLabeld(MapTransform):
    """Dictionary version of `MapLabel`.

    Args:
        keys: label maps to translate.
        convention: see `MapLabel`.
        layout: see `MapLabel`.
        cases: see `MapLabel`.
        allow_missing_keys: skip absent keys instead of raising.
        table: see `MapLabel`.
    """

    backend = MapLabel.backend

    def __init__(
        self,
        keys: KeysCollection,
        convention: str | Mapping[int | str, int] | None,
        layout: str | Mapping[str, str] | None = None,
        cases: Cases = (),
        allow_missing_keys: bool = False,
        table: str = "brain_tumour",
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.map_label = MapLabel(convention, layout, cases, table)

    def __call__(self, data: Mapping[Hashable, Tensor]) -> dict[Hashable, Tensor]:
        mapped = dict(data)
        for key in self.key_iterator(mapped):
            self.map_label.check_name(str(data.get("case", "")), source_file(data[key], key))
            mapped[key] = self.map_label(mapped[key])
        return mapped


def _short(values: list[int]) -> str:
    return ", ".join(map(str, values)) if len(values) <= 10 else f"{', '.join(map(str, values[:10]))}, ..."
