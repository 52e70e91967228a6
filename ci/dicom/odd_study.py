"""A painted DICOM study that a change makes odd, and the list of all changes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import nibabel
import numpy as np

from shared.phantoms import paint_dicom_phantoms
from shared.phantoms.dicom_files import Study, write_series

__all__ = ["INPUTS", "OddInput", "OddStudy", "PaintedStudy", "odd"]

INPUTS: list[OddInput] = []  # filled by `odd`
SIZE = {"prostate": (24, 20, 6), "brain": (20, 22, 16)}
SPACING_MM = {"prostate": (5.0, 5.0, 6.0), "brain": (7.0, 7.0, 8.0)}
MAIN = {  # series that every odd study begins with, and the modality that they are
    "prostate": {4: "t2", 7: "adc"},
    "brain": {2: "t1", 3: "t2", 4: "flair", 9: "t1ce"},
}


class OddInput(NamedTuple):
    """One kind of odd input.

    Attributes:
        name: what is odd.
        change: makes a study so.
        organ: "prostate" or "brain".
        refused: whether it must be refused; else it must be read right.
        says: regular expression in the error, or in a warning.
    """

    name: str
    change: Callable[[OddStudy], None]
    organ: str
    refused: bool
    says: str


class PaintedStudy(NamedTuple):
    """A whole study, to be copied.

    Attributes:
        folder: of the DICOM files.
        volumes: {modality: (x, y, z)}.
        affine: of all of them.
        study: what all its files say alike.
    """

    folder: Path
    volumes: Mapping[str, np.ndarray]
    affine: np.ndarray
    study: Study

    @classmethod
    def paint(cls, folder: Path, organ: str) -> PaintedStudy:
        """Paint a small study of an organ."""
        from pydicom import dcmread

        paint_dicom_phantoms(folder, organ=organ, size=SIZE[organ], spacing_mm=SPACING_MM[organ])
        images = {path.name.split(".")[0]: nibabel.load(path) for path in (folder / "Phantom_000/nifti").iterdir()}
        volumes = {name: np.asarray(image.dataobj) for name, image in images.items() if name != "label"}
        tags = dcmread(next((folder / "Phantom_000/dicom").rglob("*.dcm")), stop_before_pixels=True)
        study = Study(tags.StudyInstanceUID, tags.FrameOfReferenceUID, str(tags.PatientName), tags.PatientID)
        return cls(folder / "Phantom_000/dicom", volumes, images["label"].affine, study)


@dataclass
class OddStudy:
    """A copy of a painted study, to be changed.

    Attributes:
        folder: what is given as `--dicom_dir`.
        organ: of the study.
        painted: what was copied.
        files: {modality: its files in the order of the slices}.
        truth: {modality: (volume, affine)} that must be read; a change adapts it.
        series: setting `--series`.
        resample: setting `--resample_modalities`.
    """

    folder: Path
    organ: str
    painted: PaintedStudy
    files: dict[str, list[Path]]
    truth: dict[str, tuple[np.ndarray, np.ndarray]]
    series: dict[str, Any] = field(default_factory=dict)
    resample: bool = False

    @classmethod
    def copy(cls, painted: PaintedStudy, organ: str, folder: Path) -> OddStudy:
        """Copy the modalities' series of a painted study."""
        files = {}
        for source in sorted(painted.folder.iterdir()):
            if name := MAIN[organ].get(int(source.name[:2])):
                shutil.copytree(source, folder / source.name)
                files[name] = sorted((folder / source.name).iterdir())
        truth = {name: (volume, painted.affine) for name, volume in painted.volumes.items()}
        return cls(folder, organ, painted, files, truth)

    def extra(self, name: str) -> list[Path]:
        """Copy one more of the painted series, by its description."""
        (source,) = self.painted.folder.glob(f"*_{name}")
        shutil.copytree(source, self.folder / source.name)
        return sorted((self.folder / source.name).iterdir())

    def remove(self, *names: str) -> None:
        """Remove series; they need not be read any more."""
        for name in names:
            for path in self.files.pop(name):
                path.unlink()
            self.truth.pop(name, None)

    def edit(self, name: str, change: Callable[[Any, int], None] | None = None, **tags: Any) -> None:
        """Change all files of a series, by a function of dataset and place, and by tags; None removes a tag."""
        for index, path in enumerate(self.files[name]):
            self.edit_file(path, change and (lambda dataset, index=index: change(dataset, index)), **tags)

    @staticmethod
    def edit_file(path: Path, change: Callable[[Any], None] | None = None, **tags: Any) -> None:
        """Change one file."""
        from pydicom import dcmread

        dataset = dcmread(path)
        if change:
            change(dataset)
        for tag, value in tags.items():
            if value is not None:
                setattr(dataset, tag, value)
            elif tag in dataset:
                delattr(dataset, tag)
        dataset.save_as(path)

    def replace_bytes(self, name: str, old: bytes, new: bytes) -> None:
        """Write into the files of a series what no DICOM package would write."""
        for path in self.files[name]:
            content = path.read_bytes()
            assert content.count(old) == 1
            path.write_bytes(content.replace(old, new))

    def write(
        self, name: str, volume: np.ndarray, affine: np.ndarray, number: int, description: str, **tags: Any
    ) -> list[Path]:
        """Write one more series into a folder of its own."""
        return write_series(self.folder / name, volume, affine, number, description, study=self.painted.study, **tags)


def odd(
    name: str, *, refused: str | None = None, warns: str = "", organ: str = "prostate"
) -> Callable[[Callable[[OddStudy], None]], Callable[[OddStudy], None]]:
    """Put a change of a study on the list.

    Args:
        name: what is odd.
        refused: regular expression in the error; None: the study must be read right.
        warns: regular expression in a warning, where there must be one.
        organ: of the study.
    """

    def listed(change: Callable[[OddStudy], None]) -> Callable[[OddStudy], None]:
        INPUTS.append(OddInput(name, change, organ, refused is not None, warns if refused is None else refused))
        return change

    return listed
