"""Write the results of a 2D case: regions, objects, uncertainty, class, overlay figure and record."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.transforms import Transform
from torch import Tensor

from ..atomic_write import atomic_write
from .case_place import case_place
from .case_record import NOTICE, bundle_name_and_version, circumstances, files_read, name_of_case, write_record
from .class_contradiction import class_contradiction
from .picture_overlay import draw_picture_overlay
from .probabilities_file import write_probabilities

__all__ = ["SavePictureCased"]

MOST_IN_PNG = 2**16 - 1  # object numbers of 16 bits


class SavePictureCased(Transform):
    """Write a 2D case's results into a folder of its own, pixel by pixel as the image is.

    - ``<case>_seg.png``: region of every pixel, 8 bits, the values as they are (0, 1, 2 look black);
    - ``<case>_instances.png``: object of every pixel, 16 bits; beyond 65535 a TIFF of 32 bits;
    - ``<case>_uncertainty.tif``: 1 - probability of the region in the map, float32;
    - ``<case>_disagreement.tif``, of an ensemble: see `disagreement_of`, float32;
    - ``<case>_probabilities.npz``, with `save_probabilities`: see `write_probabilities`;
    - ``<case>_overlay.png``: see `draw_picture_overlay`; with the truth where there is one;
    - ``<case>.json``: what was read, found and used. It is written last: where it is, the others are complete.

    Maps bear the pixel's size as their resolution; without one areas are in pixels and there is no scale bar. Where one
    class has no lesion, record and overlay say whether mask and class contradict each other ("contradiction", null if
    they do not). All but the times in the record is repeatable byte by byte.

    Args:
        output_dir: folder in which the cases' folders are made.
        region_names: names of the regions from 0, the ground, on.
        class_names: names of the classes of the whole image from 0 on.
        metadata_path: the bundle's metadata.json, whose name and version go into the record.
        pixel_size_um: length of a pixel's side in micrometres; None if it is not known.
        ground_class: the class without a lesion (region 0 only); a name that is not among the classes if all have one;
            None if the class says nothing about lesions.
        pred_key: regions (1, H, W).
        uncertainty_key: (1, H, W).
        image_key: (3, H, W) or (1, H, W), in [0, 1].
        class_key: probabilities (K,) of the classes.
        instances_key: objects (1, H, W), 0 where there is none; not needed.
        label_key: true regions (1, H, W), not needed.
        label_instances_key: true objects (1, H, W), not needed.
        case_names: "hash" to have a hash of the case's name in figure and names of files; see `name_of_case`. The
            record keeps the name.
        save_probabilities: write "probabilities" (regions, H, W).
        settings: of the run, for the record.
        disagreement_key: (1, H, W), not needed.
    """

    def __init__(
        self,
        output_dir: str,
        region_names: Sequence[str],
        class_names: Sequence[str],
        metadata_path: str,
        pixel_size_um: float | None,
        ground_class: str | None = None,
        pred_key: str = "pred",
        uncertainty_key: str = "uncertainty",
        image_key: str = "image",
        class_key: str = "class_probabilities",
        instances_key: str = "pred_instances",
        label_key: str = "label",
        label_instances_key: str = "instances",
        case_names: str = "plain",
        save_probabilities: bool = False,
        settings: Mapping[str, Any] | None = None,
        disagreement_key: str = "disagreement",
    ) -> None:
        if pixel_size_um is not None and not pixel_size_um > 0:
            raise ValueError(f"pixel_size_um must be positive, or None if it is not known; got {pixel_size_um}.")
        self.folder = Path(output_dir)
        self.region_names = list(region_names)
        self.class_names = list(class_names)
        self.bundle = bundle_name_and_version(metadata_path)
        self.pixel_size_um = pixel_size_um
        self.ground_class = ground_class
        self.case_names = case_names
        self.save_probabilities = save_probabilities
        self.settings = settings
        self.keys = {"pred": pred_key, "uncertainty": uncertainty_key, "image": image_key, "classes": class_key}
        self.keys |= {"instances": instances_key, "label": label_key, "label_instances": label_instances_key}
        self.keys["disagreement"] = disagreement_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        found = self._found(data)
        case = name_of_case(data, self.case_names)
        record = self.record(data)
        maps = self._maps(case, found)
        names = {result: name for result, (name, _) in maps.items()} | {"overlay": f"{case}_overlay.png"}
        with case_place(self.folder, case, record["inputs"]) as folder:
            for number, (name, values) in enumerate(maps.values()):
                with atomic_write(folder / name) as path:
                    if number == 0:
                        self._forget(folder, case)
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
                    title=_title(case, record),
                )
            if self.save_probabilities:
                names["probabilities"] = f"{case}_probabilities.npz"
                with atomic_write(folder / names["probabilities"]) as path:
                    write_probabilities(path, data["probabilities"], self.region_names)
            write_record(folder / f"{case}.json", self.record(data, names))
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
        return {
            "case": str(data["case"]),
            "notice": NOTICE,
            "inputs": files_read(data, data[self.keys["image"]]),
            **self._findings(self._found(data)),
            **({} if outputs is None else {"outputs": dict(outputs)}),
            **({} if self.settings is None else {"settings": dict(self.settings)}),
            "bundle": self.bundle,
            **circumstances(data),
        }

    def _found(self, data: Mapping[Hashable, Any]) -> dict[str, Tensor]:
        found = {name: data.get(key) for name, key in self.keys.items()}
        found = {
            name: value.detach().cpu().as_subclass(Tensor) for name, value in found.items() if isinstance(value, Tensor)
        }
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

    def _findings(self, found: Mapping[str, Tensor]) -> dict[str, Any]:
        regions, uncertainty = found["pred"].numpy(), found["uncertainty"].numpy()
        unit, pixel = ("px", 1) if self.pixel_size_um is None else ("um2", self.pixel_size_um**2)
        areas = dict(zip(*(part.tolist() for part in np.unique(regions, return_counts=True)), strict=True))
        probabilities = [round(float(probability), 6) for probability in found["classes"]]
        segmented = regions > 0
        findings = {
            "pixel_size_um": self.pixel_size_um,
            "size_px": list(regions.shape[1:]),
            "class": self.class_names[int(found["classes"].argmax())],
            "class_probabilities": dict(zip(self.class_names, probabilities, strict=True)),
            "regions": [
                {
                    "value": value,
                    "name": name,
                    f"area_{unit}": round(areas.get(value, 0) * pixel, 2),
                    "share": round(areas.get(value, 0) / regions.size, 6),
                }
                for value, name in enumerate(self.region_names)
            ],
        }
        if self.ground_class is not None:
            findings["contradiction"] = class_contradiction(findings["class"], self.ground_class, bool(segmented.any()))
        if "instances" in found:
            numbers, pixels = np.unique(found["instances"].numpy(), return_counts=True)
            objects = {
                str(number): round(count * pixel, 2)
                for number, count in zip(numbers.tolist(), pixels.tolist(), strict=True)
                if number != 0
            }
            findings["objects"] = {"number": len(objects), f"area_{unit}": objects}
        mean = float(np.mean(uncertainty, where=segmented, dtype=np.float64)) if segmented.any() else None
        findings["mean_uncertainty_where_segmented"] = mean if mean is None else round(mean, 6)
        if "disagreement" in found:
            apart = found["disagreement"][found["pred"] > 0].double()
            findings["mean_disagreement_where_segmented"] = round(float(apart.mean()), 6) if apart.numel() else None
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

    def _forget(self, folder: Path, case: str) -> None:
        """Remove an older record, which must not vouch for the new files, and what they may not replace."""
        for name in (f"{case}.json", f"{case}_instances.png", f"{case}_instances.tif"):
            (folder / name).unlink(missing_ok=True)

    def _write_map(self, path: Path, values: np.ndarray) -> None:
        from PIL import Image

        options: dict[str, Any] = {"compression": "tiff_adobe_deflate"} if path.suffix == ".tif" else {}
        if self.pixel_size_um is not None:
            options["dpi"] = (25400 / self.pixel_size_um,) * 2  # pixels per inch
        Image.fromarray(values).save(path, **options)


def _title(case: str, findings: Mapping[str, Any]) -> str:
    """Return "P1: normal (0.75)", or "P1: normal (0.75), but a lesion is segmented"."""
    name = findings["class"]
    contradiction = findings.get("contradiction") or ""
    return f"{case}: {name} ({findings['class_probabilities'][name]:.2f}){contradiction.removeprefix(f'class {name}')}"
