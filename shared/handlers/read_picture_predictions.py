"""Score masks and objects that are in pictures, in place of what a network says."""

from __future__ import annotations

import csv
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine
from monai.engines import SupervisedEvaluator
from monai.engines.utils import IterationEvents
from monai.utils import CommonKeys
from torch import Tensor
from torch.nn.functional import one_hot

from ..errors import InputError
from ..transforms import LoadPictured
from .prediction_files import prediction_files

__all__ = [
    "ReadMaskPredictions",
    "ReadObjectPredictions",
    "ReadPicturePredictions",
    "read_mask_predictions",
    "read_object_predictions",
]

SUFFIXES = (".png", ".bmp", ".tif", ".tiff")
CLASSES = "classes.csv"


class ReadPicturePredictions(ABC):
    """One iteration of an evaluation without a network: the prediction is a picture of the case's name.

    For `SupervisedEvaluator(iteration_update=...)`. It gives what the bundle's postprocessing would give, which has to
    be left out. The images' classes are read from ``classes.csv`` in the folder, with the columns "case" and "class" (a
    name); without this file they are NaN, and the class is not scored.

    Args:
        predictions: folder that holds a picture per case, itself or in a folder <case>.
        cases: the cases that are scored, which all must have one.
        class_names: of the images' classes, from 0 on.

    Raises:
        InputError: no such folder, a case without a picture or with several, or a class that there is not.
    """

    endings: Sequence[str]

    def __init__(self, predictions: str, cases: Sequence[Mapping[str, Any]], class_names: Sequence[str]) -> None:
        names = [str(case["case"]) for case in cases]
        self.files = prediction_files(predictions, names, self.endings, SUFFIXES)
        self.class_names = list(class_names)
        table = Path(predictions) / CLASSES
        self.classes = _classes(table, names, self.class_names) if table.is_file() else None

    def __call__(self, engine: Engine, batch: Mapping[str, Any]) -> Any:
        """Read the prediction of a batch of one case.

        Raises:
            InputError: a picture that cannot be read, or of another size.
        """
        assert isinstance(engine, SupervisedEvaluator)
        images, labels = engine.prepare_batch(batch, engine.state.device, engine.non_blocking)
        case = str(batch["case"][0])
        found = {**self.read(self.files[case], batch), "class_probabilities": self._class(case)}
        engine.state.output = {CommonKeys.IMAGE: images, CommonKeys.LABEL: labels}
        engine.state.output |= {name: value[None].to(engine.state.device) for name, value in found.items()}
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return engine.state.output

    @abstractmethod
    def read(self, file: Path, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the prediction of the case, which has the size of its annotation in the batch."""

    def _class(self, case: str) -> Tensor:
        if self.classes is None:
            return torch.full((len(self.class_names),), torch.nan)
        return one_hot(torch.tensor(self.classes[case]), len(self.class_names)).float()


class ReadMaskPredictions(ReadPicturePredictions):
    """`ReadPicturePredictions` of masks: <case>.png, <case>_seg.png, <case>_mask.png or <case>_pred.png.

    "pred" (1, H, W) is 1 where the number in the file is not 0, and "uncertainty" is 0. BMP and TIFF are read too.
    """

    endings = ("", "_seg", "_mask", "_pred")

    def read(self, file: Path, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return mask and uncertainty."""
        mask = _numbers(file, object_keys=()) > 0
        _check_size(file, mask, batch[CommonKeys.LABEL][0])
        return {CommonKeys.PRED: mask.to(torch.uint8), "uncertainty": torch.zeros(mask.shape)}


class ReadObjectPredictions(ReadPicturePredictions):
    """`ReadPicturePredictions` of numbered objects: <case>.png, <case>_instances.png or <case>_pred.png.

    "pred_instances" (1, H, W) has the numbers in the file; where all objects have one number, its connected components.
    There is no "pred", so that pixels are not scored. BMP and TIFF are read too.
    """

    endings = ("", "_instances", "_pred")

    def read(self, file: Path, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the objects."""
        objects = _numbers(file, object_keys=("prediction",))
        _check_size(file, objects, batch["instances"][0])
        return {"pred_instances": objects}


def read_mask_predictions(
    predictions: str | None, cases: Sequence[Mapping[str, Any]], class_names: Sequence[str]
) -> ReadMaskPredictions | None:
    """Return `ReadMaskPredictions` with the same arguments; None without a folder: the network predicts."""
    return None if predictions is None else ReadMaskPredictions(predictions, cases, class_names)


def read_object_predictions(
    predictions: str | None, cases: Sequence[Mapping[str, Any]], class_names: Sequence[str]
) -> ReadObjectPredictions | None:
    """Return `ReadObjectPredictions` with the same arguments; None without a folder: the network predicts."""
    return None if predictions is None else ReadObjectPredictions(predictions, cases, class_names)


def _numbers(file: Path, object_keys: Sequence[str]) -> Tensor:
    """Read the numbers (1, H, W) in a picture."""
    read = LoadPictured("image", label_keys=("prediction",), object_keys=object_keys, allow_missing_keys=True)
    return read({"prediction": str(file)})["prediction"].as_tensor()


def _check_size(file: Path, found: Tensor, true: Tensor) -> None:
    if found.shape[-2:] != true.shape[-2:]:
        (rows, columns), (true_rows, true_columns) = found.shape[-2:], true.shape[-2:]
        raise InputError(
            f"{file}: is {columns} x {rows} pixels, but the annotation of the case is {true_columns} x {true_rows}; "
            "write it in the size of the image."
        )


def _classes(table: Path, cases: Sequence[str], class_names: Sequence[str]) -> dict[str, int]:
    """Read the class of every case.

    Raises:
        InputError: columns, cases or classes that are not as they should be.
    """
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"case", "class"} <= set(rows[0]):
        raise InputError(f"{table}: expected the columns case and class, and a row per case.")
    classes = {str(row["case"]): str(row["class"]) for row in rows}
    if unknown := sorted(set(classes.values()) - set(class_names)):
        raise InputError(f"{table}: {unknown[0]!r} is no class; choose of {', '.join(class_names)}.")
    if missing := [case for case in cases if case not in classes]:
        raise InputError(f"{table}: has no row for case {missing[0]}; add it, or remove the file to score no classes.")
    return {case: class_names.index(classes[case]) for case in cases}
