"""Base of the transforms that write a case's results: folder, record, probabilities."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.transforms import SaveImaged, Transform
from torch import Tensor

from ..atomic_write import atomic_write
from .case_record import NOTICE, bundle_name_and_version, circumstances, files_read, name_of_case, study_read
from .probabilities_file import write_probabilities
from .values_inside import values_inside

__all__ = ["CaseSaver", "mean_inside"]


class CaseSaver(Transform):
    """Base of the transforms that write a case's results into a folder of its own.

    `isinstance(saver, SaveImaged)` is true: MONAI Label, which returns results in its own way, leaves it out.

    Args:
        output_dir: folder in which the cases' folders are made.
        metadata_path: the bundle's metadata.json, whose name and version go into the record.
        keys: by what this class calls them, the entries that are read, with "image" among them.
        case_names: "hash" to have a hash of the case's name in figure and names of files; see `name_of_case`.
        save_probabilities: write "probabilities" (C, *spatial).
        settings: of the run, for the record.
    """

    def __init__(
        self,
        output_dir: str,
        metadata_path: str,
        keys: Mapping[str, str],
        case_names: str = "plain",
        save_probabilities: bool = False,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = Path(output_dir)
        self.bundle = bundle_name_and_version(metadata_path)
        self.keys = dict(keys)
        self.case_names = case_names
        self.save_probabilities = save_probabilities
        self.settings = settings

    def place(self, data: Mapping[Hashable, Any]) -> Path:
        """Return the folder of a case."""
        return self.folder / name_of_case(data, self.case_names)

    def record(self, data: Mapping[Hashable, Any]) -> dict[str, Any]:
        """Return the record of a case, as this transform takes it, without names of files."""
        return self._record(data, self._findings(data, self._tensors(data)))

    def _record(
        self, data: Mapping[Hashable, Any], findings: Mapping[str, Any], outputs: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Return the record; `outputs` are the names of the files."""
        return {
            "case": str(data["case"]),
            "notice": NOTICE,
            "inputs": files_read(data, data[self.keys["image"]]),
            **study_read(data),
            **findings,
            **({} if outputs is None else {"outputs": dict(outputs)}),
            **({} if self.settings is None else {"settings": dict(self.settings)}),
            "bundle": self.bundle,
            **circumstances(data),
        }

    def _write_probabilities(
        self, data: Mapping[Hashable, Any], folder: Path, case: str, names: Sequence[str]
    ) -> dict[str, str]:
        """Write the probabilities of the named classes, if they are wanted, and return the file for "outputs"."""
        if not self.save_probabilities:
            return {}
        name = f"{case}_probabilities.npz"
        with atomic_write(folder / name) as path:
            write_probabilities(path, data["probabilities"], names)
        return {"probabilities": name}

    @abstractmethod
    def _tensors(self, data: Mapping[Hashable, Any]) -> dict[str, Tensor]:
        """Return what `keys` name and a case has, on the CPU, checked."""

    @abstractmethod
    def _findings(self, data: Mapping[Hashable, Any], found: Mapping[str, Tensor]) -> dict[str, Any]:
        """Return what the record says of the results."""


SaveImaged.register(CaseSaver)


def mean_inside(values: Tensor, inside: Tensor) -> float | None:
    """Return the mean of a map (1, *spatial) where a mask is True, to six decimals; None where it nowhere is."""
    chosen = values_inside(values[0], inside[0])
    return round(float(chosen.mean()), 6) if chosen.numel() else None
