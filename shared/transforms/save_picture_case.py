"""Write the results of a 2D case: regions, objects, uncertainty, class, overlay figure and record."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..atomic_write import atomic_write, require_writable
from .case_place import case_place
from .case_record import files_read, name_of_case, study_read, write_record
from .case_saver import CaseSaver, mean_inside
from .class_contradiction import class_contradiction
from .picture_findings import class_findings, object_findings, region_findings
from .picture_overlay import draw_picture_overlay

__all__ = ["SavePictureCased"]

MOST_IN_PNG = 2**16 - 1  # object numbers of 16 bits
KEYS = {
    "pred": "pred",
    "uncertainty": "uncertainty",
    "disagreement": "disagreement",
    "classes": "class_probabilities",
    "instances": "pred_instances",
    "label": "label",
    "label_instances": "instances",
}


class SavePictureCased(CaseSaver):
    """Write a 2D case's results into a folder of its own, pixel by pixel as the image is.

    - ``<case>_seg.png``: region of every pixel, 8 bits, the values as they are (0, 1, 2 look black);
    - ``<case>_instances.png``: object of every pixel, 16 bits; beyond 65535 a TIFF of 32 bits;
    - ``<case>_uncertainty.tif``: 1 - probability of the region in the map, float32;
    - ``<case>_disagreement.tif``, of an ensemble: see `disagreement_of`, float32;
    - ``<case>_probabilities.npz``, with `save_probabilities`: see `write_probabilities`;
    - ``<case>_overlay.png``: see `draw_picture_overlay`; with the truth where there is one;
    - ``<case>.json``: what was read, found and used. It is written last: where it is, the others are complete.

    Maps store the pixel size as their resolution. If the size is not known, areas are in pixels and there is no scale
    bar. Areas of a DICOM case are in mm2 too ("area_mm2"), null if the file does not say how large the pixels are. If
    there is a `ground_class`, record and overlay say whether mask and class contradict each other ("contradiction",
    null if they do not). Two runs write the same bytes, but for the times in the record.

    Reads "pred", the regions (1, H, W), "uncertainty" (1, H, W) and "class_probabilities" (K,); and, if the case has
    them, "disagreement", the objects "pred_instances" (0: none), and the true "label" and "instances", all (1, H, W).

    Args:
        output_dir: folder in which the cases' folders are made.
        region_names: names of the regions from 0, the ground, on.
        class_names: names of the classes of the whole image from 0 on.
        metadata_path: the bundle's metadata.json, whose name and version go into the record.
        pixel_size_um: length of a pixel's side in micrometres; None if it is not known.
        ground_class: the class without a lesion (region 0 only); a name that is not among the classes if all have one;
            None if the class says nothing about lesions.
        image_key: (3, H, W) or (1, H, W), in [0, 1].
        case_names: "hash" to have a hash instead of the case's name in the figure and the names of files; see
            `name_of_case`. The record keeps the name.
        save_probabilities: write "probabilities" (regions, H, W).
        settings: of the run, for the record.
    """

    def __init__(
        self,
        output_dir: str,
        region_names: Sequence[str],
        class_names: Sequence[str],
        metadata_path: str,
        pixel_size_um: float | None,
        ground_class: str | None = None,
        image_key: str = "image",
        case_names: str = "plain",
        save_probabilities: bool = False,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        if pixel_size_um is not None and not pixel_size_um > 0:
            raise ValueError(f"pixel_size_um must be positive, or None if it is not known; got {pixel_size_um}.")
        keys = {**KEYS, "image": image_key}
        super().__init__(output_dir, metadata_path, keys, case_names, save_probabilities, settings)
        self.region_names = list(region_names)
        self.class_names = list(class_names)
        self.pixel_size_um = pixel_size_um
        self.ground_class = ground_class

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        found = self._tensors(data)
        findings = self._findings(data, found)
        case = name_of_case(data, self.case_names)
        maps = self._maps(case, found)
        names = {result: name for result, (name, _) in maps.items()} | {"overlay": f"{case}_overlay.png"}
        with case_place(self.folder, case, files_read(data, data[self.keys["image"]])) as folder:
            require_writable(folder)
            _remove_older_files(folder, case)
            for name, values in maps.values():
                with atomic_write(folder / name) as path:
                    self._write_map(path, values)
            with atomic_write(folder / names["overlay"]) as path:
                draw_picture_overlay(
                    found["image"],
                    found["pred"],
                    path,
                    region_names=self.region_names,
                    pixel_size_um=self.pixel_size_um,
                    uncertainty=found["uncertainty"],
                    instances=found.get("instances"),
                    reference=found.get("label"),
                    reference_instances=found.get("label_instances"),
                    title=_title(case, findings),
                )
            names |= self._write_probabilities(data, folder, case, self.region_names)
            write_record(folder / f"{case}.json", self._record(data, findings, names))
        return dict(data)

    def _tensors(self, data: Mapping[Hashable, Any]) -> dict[str, Tensor]:
        given = {name: data.get(key) for name, key in self.keys.items()}
        found = {name: value.detach().cpu() for name, value in given.items() if isinstance(value, Tensor)}
        found = {name: value.as_subclass(Tensor) for name, value in found.items()}
        self._check(found)
        return found

    def _check(self, found: Mapping[str, Tensor]) -> None:
        missing = [self.keys[name] for name in ("pred", "uncertainty", "image", "classes") if name not in found]
        if missing:
            raise ValueError(f"there is no tensor under {missing}; run a transform such as MaskAndClassd first.")
        maps = {self.keys[name]: tuple(value.shape[1:]) for name, value in found.items() if name != "classes"}
        if len(set(maps.values())) > 1 or found["image"].ndim != 3:
            raise ValueError(f"all must be on one grid (H, W), got {maps}.")
        if found["pred"].max() >= len(self.region_names):
            raise ValueError(f"region {int(found['pred'].max())} has no name in region_names {self.region_names}.")
        if found["classes"].shape != (len(self.class_names),):
            raise ValueError(
                f"class_names {self.class_names} do not fit {self.keys['classes']} "
                f"of shape {tuple(found['classes'].shape)}."
            )

    def _findings(self, data: Mapping[Hashable, Any], found: Mapping[str, Tensor]) -> dict[str, Any]:
        regions, segmented = found["pred"][0].numpy(), found["pred"] > 0
        dicom = study_read(data).get("dicom")
        findings = {
            "pixel_size_um": self.pixel_size_um,
            "size_px": list(regions.shape),
            **class_findings(found["classes"], self.class_names),
            "regions": region_findings(regions, self.region_names, self.pixel_size_um, dicom),
        }
        if self.ground_class is not None:
            findings["contradiction"] = class_contradiction(findings["class"], self.ground_class, bool(segmented.any()))
        if "instances" in found:
            findings["objects"] = object_findings(found["instances"][0].numpy(), self.pixel_size_um)
        findings["mean_uncertainty_where_segmented"] = mean_inside(found["uncertainty"], segmented)
        if "disagreement" in found:
            findings["mean_disagreement_where_segmented"] = mean_inside(found["disagreement"], segmented)
        return findings

    def _maps(self, case: str, found: Mapping[str, Tensor]) -> dict[str, tuple[str, np.ndarray]]:
        """Return {result: (name of its file, values as stored)}."""
        maps = {"segmentation": (f"{case}_seg.png", found["pred"][0].numpy().astype(np.uint8, copy=False))}
        if "instances" in found:
            objects = found["instances"][0].numpy()
            in_png = objects.max() <= MOST_IN_PNG
            name, kind = (f"{case}_instances.png", np.uint16) if in_png else (f"{case}_instances.tif", np.int32)
            maps["instances"] = (name, objects.astype(kind, copy=False))
        uncertainty = found["uncertainty"][0].numpy().astype(np.float32, copy=False)
        maps |= {"uncertainty": (f"{case}_uncertainty.tif", uncertainty)}
        if "disagreement" in found:
            values = found["disagreement"][0].numpy().astype(np.float32, copy=False)
            maps["disagreement"] = (f"{case}_disagreement.tif", values)
        return maps

    def _write_map(self, path: Path, values: np.ndarray) -> None:
        from PIL import Image

        options: dict[str, Any] = {"compression": "tiff_adobe_deflate"} if path.suffix == ".tif" else {}
        if self.pixel_size_um is not None:
            options["dpi"] = (25400 / self.pixel_size_um,) * 2  # pixels per inch
        Image.fromarray(values).save(path, **options)


def _remove_older_files(folder: Path, case: str) -> None:
    """Remove an older run's record, and its objects, which this run may write under another name or not at all."""
    for name in (f"{case}.json", f"{case}_instances.png", f"{case}_instances.tif"):
        (folder / name).unlink(missing_ok=True)


def _title(case: str, findings: Mapping[str, Any]) -> str:
    """Return "P1: normal (0.75)", or "P1: normal (0.75), but a lesion is segmented"."""
    name = findings["class"]
    contradiction = findings.get("contradiction") or ""
    return f"{case}: {name} ({findings['class_probabilities'][name]:.2f}){contradiction.removeprefix(f'class {name}')}"
