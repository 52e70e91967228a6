"""Write the results of a case: label map, uncertainty, overlay figure and record."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from monai.data import MetaTensor
from torch import Tensor

from ..atomic_write import atomic_write
from ..networks.present_modalities import present_modalities
from .case_place import case_place
from .case_record import files_read, name_of_case, write_record
from .case_saver import CaseSaver, mean_inside
from .nifti_grid import nifti_on_grid
from .output_numbers import output_numbers
from .overlay import draw_overlay
from .planes import best_to_show
from .shown_modality import FOUND_KEY

__all__ = ["SaveImageCased"]


class SaveImageCased(CaseSaver):
    """Write a case's results into a folder of its own, on the grid of the image as it was read.

    - ``<case>_seg.nii.gz``: label map, uint8;
    - ``<case>_uncertainty.nii.gz``: 1 - probability of the class in the label map, float32;
    - ``<case>_disagreement.nii.gz``, of an ensemble: see `disagreement_of`, float32;
    - ``<case>_probabilities.npz``, with `save_probabilities`: see `write_probabilities`;
    - ``<case>_overlay.png``: see `draw_overlay`; with the true classes where "label" holds them;
    - ``<case>.json``: what was read, found and used. It is written last: where it is, the others are complete.

    All but the times in the record is repeatable byte by byte. Runs after `Invertd` has brought the image to the grid
    of the file, and `SegmentOnGridd` the label map and its uncertainty; if the file is NIfTI, its qform and sform are
    copied. (MONAI Deploy, which saves results in its own way, leaves out transforms named like this one.)

    Reads "image" (M, *spatial), NaN where a modality is absent, or what `ShownModalityd` left of it; the label map
    "pred" and "uncertainty"; if there are any, "disagreement" and the true classes "label": all four (1, *spatial).

    Args:
        output_dir: folder in which the cases' folders are made.
        modalities: names of the image's channels.
        class_names: names of the classes from 1 on.
        metadata_path: the bundle's metadata.json, whose name and version go into the record.
        case_names: "hash" to have a hash of the case's name in figure and names of files; see `name_of_case`. The
            record keeps the name.
        save_probabilities: write "probabilities" (C, *spatial).
        output_convention: numbers of the written label map and of the record's classes; see `output_numbers`.
        label_table: what the labels show, for `output_convention`.
        settings: of the run, for the record.
    """

    def __init__(
        self,
        output_dir: str,
        modalities: Sequence[str],
        class_names: Sequence[str],
        metadata_path: str,
        case_names: str = "plain",
        save_probabilities: bool = False,
        output_convention: str | Mapping[int | str, int] | None = None,
        label_table: str = "brain_tumour",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        keys = {name: name for name in ("pred", "uncertainty", "disagreement", "image", "label")}
        super().__init__(output_dir, metadata_path, keys, case_names, save_probabilities, settings)
        self.modalities = list(modalities)
        self.class_names = list(class_names)
        self.numbers = output_numbers(output_convention, 1 + len(self.class_names), label_table)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        volumes = self._tensors(data)
        image, segmentation, uncertainty = volumes["image"], volumes["pred"], volumes["uncertainty"]
        case = name_of_case(data, self.case_names)
        present = self._present(data, image)
        shown = self.modalities
        if len(image) < len(self.modalities):
            shown = [shown[best_to_show(shown, data[FOUND_KEY])]]
        absent = [name for name in self.modalities if name not in (*present, *shown)]
        names = {
            "segmentation": f"{case}_seg.nii.gz",
            "uncertainty": f"{case}_uncertainty.nii.gz",
            "overlay": f"{case}_overlay.png",
        }
        with case_place(self.folder, case, files_read(data, image)) as folder:
            record_path = folder / f"{case}.json"
            with atomic_write(folder / names["segmentation"]) as path:
                record_path.unlink(missing_ok=True)  # an older record must not vouch for the new files
                written = np.array(self.numbers, dtype=np.uint8)[segmentation.numpy().astype(np.uint8, copy=False)]
                nibabel.save(nifti_on_grid(torch.from_numpy(written), image, np.uint8), path)
            with atomic_write(folder / names["uncertainty"]) as path:
                nibabel.save(nifti_on_grid(uncertainty, image, np.float32), path)
            with atomic_write(folder / names["overlay"]) as path:
                draw_overlay(
                    image,
                    segmentation,
                    path,
                    modalities=shown,
                    class_names=self.class_names,
                    uncertainty=uncertainty,
                    label=volumes.get("label"),
                    absent=absent,
                    title=case,
                )
            if "disagreement" in volumes:
                names["disagreement"] = f"{case}_disagreement.nii.gz"
                with atomic_write(folder / names["disagreement"]) as path:
                    nibabel.save(nifti_on_grid(volumes["disagreement"], image, np.float32), path)
            names |= self._write_probabilities(data, folder, case, ["background", *self.class_names])
            names |= self._add(data, volumes, folder, case)
            write_record(record_path, self._record(data, self._findings(data, volumes), names))
        return dict(data)

    def _add(
        self, data: Mapping[Hashable, Any], volumes: Mapping[str, Tensor], folder: Path, case: str
    ) -> dict[str, str]:
        """Write further files of a case and return their names for "outputs"."""
        return {}

    def _tensors(self, data: Mapping[Hashable, Any]) -> dict[str, Tensor]:
        volumes = {name: data.get(key) for name, key in self.keys.items()}
        volumes = {name: volume.detach().cpu() for name, volume in volumes.items() if isinstance(volume, Tensor)}
        self._check(volumes, data.get(FOUND_KEY))
        return volumes

    def _present(self, data: Mapping[Hashable, Any], image: Tensor) -> list[str]:
        """Return the names of the modalities that are there."""
        if FOUND_KEY in data:
            return [self.modalities[number] for number in data[FOUND_KEY]]
        channels = zip(self.modalities, image, strict=True)
        return [name for name, channel in channels if present_modalities(channel.as_tensor()[None, None])]

    def _check(self, volumes: Mapping[str, Tensor], found: Sequence[int] | None) -> None:
        missing = [self.keys[name] for name in ("pred", "uncertainty", "image") if name not in volumes]
        if missing:
            raise ValueError(f"there is no tensor under {missing}; run SegmentOnGridd first.")
        if len({volume.shape[1:] for volume in volumes.values()}) > 1:
            shapes = ", ".join(f"{self.keys[name]} {tuple(volume.shape[1:])}" for name, volume in volumes.items())
            raise ValueError(
                f"grids differ ({shapes}); bring the image back to its grid with Invertd, then run SegmentOnGridd."
            )
        if volumes["image"].shape[0] != (1 if found is not None else len(self.modalities)):
            raise ValueError(
                f"modalities {self.modalities} do not fit an image of {volumes['image'].shape[0]} channels."
            )
        if volumes["pred"].max() > len(self.class_names):
            raise ValueError(f"class {int(volumes['pred'].max())} has no name in class_names {self.class_names}.")

    def _findings(self, data: Mapping[Hashable, Any], found: Mapping[str, Tensor]) -> dict[str, Any]:
        image: MetaTensor = found["image"]
        segmentation = found["pred"]
        present = self._present(data, image)
        voxel_ml = abs(float(torch.linalg.det(image.affine[:3, :3].double()))) / 1000
        numbers = segmentation.numpy().astype(np.uint8, copy=False)
        voxels = sum(np.bincount(part.ravel(), minlength=1 + len(self.class_names)) for part in numbers[0])
        findings = {
            "modalities_found": present,
            "modalities_absent": [name for name in self.modalities if name not in present],
            "classes": [
                {"value": self.numbers[value], "name": name, "volume_ml": round(float(voxels[value]) * voxel_ml, 4)}
                for value, name in enumerate(self.class_names, start=1)
            ],
            "mean_uncertainty_where_segmented": mean_inside(found["uncertainty"], segmentation > 0),
        }
        if "disagreement" in found:
            findings["mean_disagreement_where_segmented"] = mean_inside(found["disagreement"], segmentation > 0)
        return findings
