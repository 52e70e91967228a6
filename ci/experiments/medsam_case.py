"""One case of the comparison with MedSAM: read, segment in boxes around the reference, draw, write."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Orientation, Orientationd
from torch import Tensor

from ci.experiments.medsam_figure import draw_medsam
from ci.experiments.medsam_network import MedSAM
from ci.experiments.medsam_prompts import AXES, CLASSES, Prompt, grey_of, prompts_of
from shared.atomic_write import atomic_write
from shared.errors import InputError
from shared.handlers import read_predictions
from shared.transforms import LoadImageModalitiesd, MapLabeld, RequireSameGridd, StackModalitiesd, nifti_on_grid
from shared.transforms.case_place import case_place
from shared.transforms.case_record import name_of_case

__all__ = ["SETTINGS", "Comparison", "segment"]

SETTINGS = ("modalities", "layout", "label_convention", "resample_modalities", "reference_modality", "class_names")
SETTINGS += ("num_classes", "prediction_convention")


def segment(
    medsam: MedSAM, greys: Mapping[str, np.ndarray], prompts: Sequence[Prompt], shown_in: Mapping[str, str]
) -> np.ndarray:
    """Return the classes that MedSAM finds in the boxes.

    A voxel gets the class of the smallest region in which MedSAM finds it. So it belongs to the larger regions, too.

    Args:
        medsam: the network.
        greys: by modality (x, y, z), uint8.
        prompts: boxes.
        shown_in: the modality for each region.

    Returns:
        (x, y, z), uint8.
    """
    classes = np.zeros_like(next(iter(greys.values())))
    for number in sorted({prompt.slice for prompt in prompts}):
        embeddings: dict[str, Tensor] = {}
        for region, alone in CLASSES.items():
            boxes = [prompt.box for prompt in prompts if (prompt.slice, prompt.region) == (number, region)]
            if not boxes:
                continue
            modality = shown_in[region]
            grey = greys[modality][..., number].T
            if modality not in embeddings:
                embeddings[modality] = medsam.embed(grey)
            found = medsam.masks(embeddings[modality], boxes, grey.shape).any(axis=0)
            classes[..., number][found.T] = alone
    return classes


class Comparison:
    """What is done with each case.

    Args:
        medsam: the network.
        settings: of the bundle, by the names in `SETTINGS`.
        cases: that are segmented, as `find_mri_cases` lists them.
        out: folder of the results.
        predictions: folder with label maps of another method, or None.
        heading: what the figure calls that method.
        margin_mm: see `prompts_of`.
        shown_in: see `segment`.
    """

    def __init__(
        self,
        medsam: MedSAM,
        settings: Mapping[str, Any],
        cases: Sequence[Mapping[str, Any]],
        *,
        out: Path,
        predictions: str | None,
        heading: str,
        margin_mm: float,
        shown_in: Mapping[str, str],
    ) -> None:
        self.medsam, self.settings, self.out, self.heading = medsam, settings, out, heading
        self.margin_mm, self.shown_in = margin_mm, dict(shown_in)
        modalities, convention = settings["modalities"], settings["prediction_convention"]
        self.theirs = read_predictions(predictions, cases, settings["num_classes"], convention)
        self.read = Compose(
            [
                LoadImageModalitiesd(modalities, extra_keys=("label",)),
                StackModalitiesd(modalities, settings["resample_modalities"], reference=settings["reference_modality"]),
                MapLabeld("label", settings["label_convention"], settings["layout"], cases),
                RequireSameGridd(),
            ]
        )
        self.turn = Orientationd(["image", "label"], axcodes=AXES, labels=None, allow_missing_keys=True)

    def __call__(self, item: Mapping[str, Any]) -> None:
        """Segment a case and write its results.

        Raises:
            InputError: a file cannot be read, or a modality in `shown_in` is absent.
        """
        case = name_of_case(item)
        on_file_grid = self.read(item)
        turned = self.turn(on_file_grid)
        label, names = turned["label"], self.settings["modalities"]
        there = {name: volume.as_tensor() for name, volume in zip(names, turned["image"], strict=True)}
        greys = {name: grey_of(volume) for name, volume in there.items() if not volume.isnan().any()}
        if absent := sorted({*self.shown_in.values()} - {*greys}):
            raise InputError(f"case {case}: {absent[0]} is absent; name other modalities with --shown_in.")
        prompts = prompts_of(label, self.margin_mm)
        classes = torch.from_numpy(segment(self.medsam, greys, prompts, self.shown_in))
        segmentations = {"MedSAM and its boxes": classes}
        if self.theirs is not None:
            theirs = self.theirs.read(case, on_file_grid["label"])
            segmentations[self.heading] = Orientation(AXES, labels=None)(theirs.argmax(dim=0, keepdim=True))[0]
        segmentations["reference"] = label[0]
        inputs = {key: str(item[key]) for key in (*names, "label") if key in item}
        with case_place(self.out, case, inputs) as place:
            with atomic_write(place / f"{case}_seg.nii.gz") as path:
                nibabel.save(self._on_file_grid(classes, label), path)
            with atomic_write(place / f"{case}_medsam.png") as path:
                draw_medsam(
                    path,
                    greys,
                    segmentations,
                    prompts,
                    behind=self.shown_in["WT"],
                    spacing_mm=label.pixdim.tolist(),
                    class_names=self.settings["class_names"],
                    title=f"{case}, boxes with a margin of {self.margin_mm:g} mm",
                )
            record = {"case": case, "inputs": inputs, "margin_mm": self.margin_mm, "shown_in": self.shown_in}
            record |= {"axes": AXES, "boxes": [prompt._asdict() for prompt in prompts]}
            with atomic_write(place / f"{case}.json") as path:
                path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")

    def _on_file_grid(self, classes: Tensor, label: MetaTensor) -> nibabel.Nifti1Image:
        """Turn classes (x, y, z) back to the axes of the label's file."""
        on_label = MetaTensor(classes[None], meta=label.meta, applied_operations=label.applied_operations)
        back = self.turn.inverse({"label": on_label})["label"]
        return nifti_on_grid(back, back, np.uint8)
