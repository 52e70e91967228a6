"""Write a label map as a DICOM Segmentation of the series that it was made from."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.transforms import Transform

from ..atomic_write import atomic_write
from ..errors import InputError
from ..transforms.case_place import case_place
from ..transforms.case_record import bundle_name_and_version, files_read, name_of_case
from ..transforms.source_file import source_file
from .segmentation_object import dicom_segmentation
from .volume_report import volume_report
from .without_words import without_words

__all__ = ["SaveImageDicomSegd"]

ENDINGS = {"segmentation": "seg", "report": "sr"}  # of the files' names


class SaveImageDicomSegd(Transform):
    """Write ``<case>_seg.dcm``, a BINARY Segmentation (PS3.3, A.51), next to the case's other results.

    The file has the geometry of the series on whose grid the image is, references to the images of the series, its
    patient and study, and one segment per class, also for a class that was not found. The UIDs are functions of the
    series, the bundle and the label map: the same result is the same object. With `report` there is ``<case>_sr.dcm``
    as well, see `volume_report`.

    Runs before `SaveImageCased`, whose record names the file. MONAI Deploy leaves out transforms with "SaveImage" in
    their name, as this one has.

    Args:
        output_dir: folder in which the cases' folders are made.
        class_names: names of the classes from 1 on.
        segment_codes: {class: {"category": code, "type": code}}, a code being [value, scheme, meaning].
        metadata_path: the bundle's metadata.json, whose name and version are those of the algorithm.
        dicom_dir: of the run; without it there is no series to refer to.
        pred_key: label map (1, *spatial).
        image_key: image on the grid of the label map.
        case_names: "plain" or "hash".
        report: write the volumes as a structured report.

    Raises:
        InputError: no `dicom_dir`, a class without codes, or a grid that is not that of the series.
    """

    def __init__(
        self,
        output_dir: str,
        class_names: Sequence[str],
        segment_codes: Mapping[str, Mapping[str, Sequence[str]]],
        metadata_path: str,
        dicom_dir: str | None,
        pred_key: str = "pred",
        image_key: str = "image",
        case_names: str = "plain",
        report: bool = False,
    ) -> None:
        if dicom_dir is None:
            raise InputError(
                f"--dicom_{'sr' if report else 'seg'}: refers to the images of a DICOM study; give it with --dicom_dir."
            )
        for name in class_names:
            code = segment_codes.get(name, {})
            if any(len(code.get(part, ())) != 3 for part in ("category", "type")):
                raise InputError(
                    f"segment_codes: expected category and type, each [value, scheme, meaning], for {name!r}, "
                    f"got {code!r}; add them."
                )
        self.folder = Path(output_dir)
        self.codes = {name: segment_codes[name] for name in class_names}
        self.bundle = bundle_name_and_version(metadata_path)
        self.pred_key, self.image_key, self.case_names, self.report = pred_key, image_key, case_names, report

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case, image = name_of_case(data, self.case_names), data[self.image_key]
        inputs = files_read(data, image)
        labels = np.asarray(data[self.pred_key][0].detach().cpu()).astype(np.uint8)
        files = self._files(data, inputs)
        with without_words():
            objects = self._objects(labels, data, files)
        with case_place(self.folder, case, inputs) as folder:
            (folder / f"{case}.json").unlink(missing_ok=True)  # an older record would not be about the new files
            for kind, dataset in objects.items():
                with atomic_write(folder / f"{case}_{ENDINGS[kind]}.dcm") as path, without_words():
                    dataset.save_as(path)
        names = {kind: f"{case}_{ENDINGS[kind]}.dcm" for kind in objects}
        note = {**json.loads(data["dicom"]), **names, "uid": str(objects["segmentation"].SOPInstanceUID)}
        return {**data, "dicom": json.dumps(note)}

    def _files(self, data: Mapping[Hashable, Any], inputs: Mapping[str, Any]) -> Sequence[str]:
        """Return the files of the series on whose grid the image is."""
        image = data[self.image_key]
        files = next((files for files in inputs.values() if files and files[0] == source_file(image, "")), None)
        if files is None:
            case = name_of_case(data, self.case_names)
            raise InputError(f"case {case}: is on the grid of no series that was read; leave --dicom_seg out.")
        return files

    def _objects(self, labels: np.ndarray, data: Mapping[Hashable, Any], files: Sequence[str]) -> dict[str, Any]:
        """Make the Segmentation, and the report where it is wanted.

        Raises:
            InputError: the series has a date or another value that DICOM does not allow. The value, which may be the
                patient's date of birth, is not in the error.
        """
        import pydicom

        try:
            return self._made(labels, data, files)
        except InputError:
            raise
        except ValueError as error:
            tags = [tag.keyword for tag in pydicom.dcmread(files[0], stop_before_pixels=True) if _quotes(error, tag)]
            raise InputError(
                f"the series' {tags[0] if tags else 'tags'} cannot be copied into a DICOM Segmentation, since DICOM "
                "does not allow the value; correct it where the study comes from, or leave --dicom_seg out."
            ) from None

    def _made(self, labels: np.ndarray, data: Mapping[Hashable, Any], files: Sequence[str]) -> dict[str, Any]:
        import pydicom

        image = data[self.image_key]
        objects = {"segmentation": dicom_segmentation(labels, image, files, self.codes, **self.bundle)}
        if self.report:
            voxel_ml = abs(float(np.linalg.det(np.asarray(image.affine, dtype=float)[:3, :3]))) / 1000
            counts = np.bincount(labels.ravel(), minlength=1 + len(self.codes))[1:]
            volumes_ml = {label: float(count) * voxel_ml for label, count in zip(self.codes, counts, strict=True)}
            source = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
            objects["report"] = volume_report(objects["segmentation"], source, volumes_ml, self.codes, **self.bundle)
        return objects


def _quotes(error: Exception, tag: Any) -> bool:
    """Whether an error quotes the value of a tag."""
    return bool(tag.keyword and str(tag.value)) and f"'{tag.value}'" in str(error)
