"""Write the results of a case: label map, uncertainty, overlay figure and record."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from torch import Tensor

from ..atomic_write import atomic_write
from ..networks.present_modalities import present_modalities
from .case_place import case_place
from .case_record import (
    NOTICE,
    bundle_name_and_version,
    circumstances,
    files_read,
    name_of_case,
    study_read,
    write_record,
)
from .nifti_grid import nifti_on_grid
from .output_numbers import output_numbers
from .overlay import draw_overlay
from .probabilities_file import write_probabilities

__all__ = ["SaveImageCased"]


class SaveImageCased(Transform):
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

    Args:
        output_dir: folder in which the cases' folders are made.
        modalities: names of the image's channels.
        class_names: names of the classes from 1 on.
        metadata_path: the bundle's metadata.json, whose name and version go into the record.
        pred_key: label map (1, *spatial).
        uncertainty_key: (1, *spatial).
        image_key: (M, *spatial), NaN where a modality is absent.
        label_key: true classes (1, *spatial), not needed.
        case_names: "hash" to have a hash of the case's name in figure and names of files; see `name_of_case`. The
            record keeps the name.
        save_probabilities: write "probabilities" (C, *spatial).
        output_convention: numbers of the written label map and of the record's classes; see `output_numbers`.
        label_table: what the labels show, for `output_convention`.
        settings: of the run, for the record.
        disagreement_key: (1, *spatial), not needed.
    """

    def __init__(
        self,
        output_dir: str,
        modalities: Sequence[str],
        class_names: Sequence[str],
        metadata_path: str,
        pred_key: str = "pred",
        uncertainty_key: str = "uncertainty",
        image_key: str = "image",
        label_key: str = "label",
        case_names: str = "plain",
        save_probabilities: bool = False,
        output_convention: str | Mapping[int | str, int] | None = None,
        label_table: str = "brain_tumour",
        settings: Mapping[str, Any] | None = None,
        disagreement_key: str = "disagreement",
    ) -> None:
        self.folder = Path(output_dir)
        self.modalities = list(modalities)
        self.class_names = list(class_names)
        self.case_names = case_names
        self.save_probabilities = save_probabilities
        self.numbers = output_numbers(output_convention, 1 + len(self.class_names), label_table)
        self.settings = settings
        self.bundle = bundle_name_and_version(metadata_path)
        self.keys = {"pred": pred_key, "uncertainty": uncertainty_key, "image": image_key, "label": label_key}
        self.keys["disagreement"] = disagreement_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        volumes = self._volumes(data)
        image, segmentation, uncertainty = volumes["image"], volumes["pred"], volumes["uncertainty"]
        case = name_of_case(data, self.case_names)
        names = {
            "segmentation": f"{case}_seg.nii.gz",
            "uncertainty": f"{case}_uncertainty.nii.gz",
            "overlay": f"{case}_overlay.png",
        }
        with case_place(self.folder, case, files_read(data, image)) as folder:
            record_path = folder / f"{case}.json"
            with atomic_write(folder / names["segmentation"]) as path:
                record_path.unlink(missing_ok=True)  # an older record must not vouch for the new files
                written = torch.tensor(self.numbers, dtype=torch.uint8)[segmentation.long()]
                nibabel.save(nifti_on_grid(written, image, np.uint8), path)
            with atomic_write(folder / names["uncertainty"]) as path:
                nibabel.save(nifti_on_grid(uncertainty, image, np.float32), path)
            with atomic_write(folder / names["overlay"]) as path:
                draw_overlay(
                    image,
                    segmentation,
                    path,
                    modalities=self.modalities,
                    class_names=self.class_names,
                    uncertainty=uncertainty,
                    label=volumes.get("label"),
                    title=case,
                )
            if "disagreement" in volumes:
                names["disagreement"] = f"{case}_disagreement.nii.gz"
                with atomic_write(folder / names["disagreement"]) as path:
                    nibabel.save(nifti_on_grid(volumes["disagreement"], image, np.float32), path)
            if self.save_probabilities:
                names["probabilities"] = f"{case}_probabilities.npz"
                with atomic_write(folder / names["probabilities"]) as path:
                    write_probabilities(path, data["probabilities"], ["background", *self.class_names])
            names |= self._add(data, volumes, folder, case)
            write_record(record_path, self.record(data, names))
        return dict(data)

    def place(self, data: Mapping[Hashable, Any]) -> Path:
        """Return the folder of a case."""
        return self.folder / name_of_case(data, self.case_names)

    def record(self, data: Mapping[Hashable, Any], outputs: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the record of a case.

        Args:
            data: as this transform takes it.
            outputs: names of the files; without them the record does not name any.
        """
        volumes = self._volumes(data)
        return {
            "case": str(data["case"]),
            "notice": NOTICE,
            **self._findings(data, volumes["image"], volumes["pred"], volumes["uncertainty"]),
            **_mean_disagreement(volumes),
            **({} if outputs is None else {"outputs": dict(outputs)}),
            **({} if self.settings is None else {"settings": dict(self.settings)}),
            "bundle": self.bundle,
            **circumstances(data),
        }

    def _add(
        self, data: Mapping[Hashable, Any], volumes: Mapping[str, Tensor], folder: Path, case: str
    ) -> dict[str, str]:
        """Write further files of a case and return their names for "outputs"."""
        return {}

    def _volumes(self, data: Mapping[Hashable, Any]) -> dict[str, Tensor]:
        volumes = {name: data.get(key) for name, key in self.keys.items()}
        volumes = {name: volume.detach().cpu() for name, volume in volumes.items() if isinstance(volume, Tensor)}
        self._check(volumes)
        return volumes

    def _check(self, volumes: Mapping[str, Tensor]) -> None:
        missing = [self.keys[name] for name in ("pred", "uncertainty", "image") if name not in volumes]
        if missing:
            raise ValueError(f"there is no tensor under {missing}; run SegmentOnGridd first.")
        if len({volume.shape[1:] for volume in volumes.values()}) > 1:
            shapes = ", ".join(f"{self.keys[name]} {tuple(volume.shape[1:])}" for name, volume in volumes.items())
            raise ValueError(
                f"grids differ ({shapes}); bring the image back to its grid with Invertd, then run SegmentOnGridd."
            )
        if volumes["image"].shape[0] != len(self.modalities):
            raise ValueError(
                f"modalities {self.modalities} do not fit an image of {volumes['image'].shape[0]} channels."
            )
        if volumes["pred"].max() > len(self.class_names):
            raise ValueError(f"class {int(volumes['pred'].max())} has no name in class_names {self.class_names}.")

    def _findings(
        self, data: Mapping[Hashable, Any], image: MetaTensor, segmentation: Tensor, uncertainty: Tensor
    ) -> dict[str, Any]:
        present = present_modalities(image.as_tensor().unsqueeze(0)).squeeze(0)
        found = [name for name, there in zip(self.modalities, present, strict=True) if there]
        voxel_ml = abs(float(torch.linalg.det(image.affine[:3, :3].double()))) / 1000
        voxels = np.bincount(segmentation.numpy().astype(np.uint8).ravel(), minlength=1 + len(self.class_names))
        inside = uncertainty[segmentation > 0]
        return {
            "inputs": files_read(data, image),
            **study_read(data),
            "modalities_found": found,
            "modalities_absent": [name for name in self.modalities if name not in found],
            "classes": [
                {"value": self.numbers[value], "name": name, "volume_ml": round(float(voxels[value]) * voxel_ml, 4)}
                for value, name in enumerate(self.class_names, start=1)
            ],
            "mean_uncertainty_where_segmented": round(float(inside.double().mean()), 6) if inside.numel() else None,
        }


def _mean_disagreement(volumes: Mapping[str, Tensor]) -> dict[str, float | None]:
    """Return the mean over what is segmented, of an ensemble."""
    if "disagreement" not in volumes:
        return {}
    inside = volumes["disagreement"][volumes["pred"] > 0]
    mean = round(float(inside.double().mean()), 6) if inside.numel() else None
    return {"mean_disagreement_where_segmented": mean}
