"""Score label maps that are in files, in place of what a network says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ignite.engine import Engine
from monai.data import MetaTensor, decollate_batch, list_data_collate
from monai.engines import SupervisedEvaluator
from monai.engines.utils import IterationEvents
from monai.utils import CommonKeys
from torch import Tensor
from torch.nn.functional import one_hot

from ..errors import InputError
from ..transforms import MapLabel, grid_difference
from ..transforms.image_loader import image_loader
from ..transforms.read_nifti import NiftiReader
from .prediction_files import prediction_files

__all__ = ["ReadPredictions", "read_predictions"]

ENDINGS = ("", "_seg", "-seg", "_pred")
SUFFIXES = (".nii.gz", ".nii")
SETTING = "--prediction_convention"
CERTAIN = 30.0  # logit of the class in the file


class ReadPredictions:
    """One iteration of an evaluation without a network: the prediction is a file of the case's name.

    For `SupervisedEvaluator(iteration_update=...)`. "pred" becomes logits (C, x, y, z) that are certain of the class
    in the file, so that the evaluation's postprocessing stays as it is.

    Args:
        predictions: folder that holds <case>.nii.gz, <case>_seg.nii.gz, <case>-seg.nii.gz or <case>_pred.nii.gz (or
            .nii), itself or in a folder <case>.
        cases: the cases that are scored, which all must have one file.
        num_classes: C, background included.
        convention: what the numbers in the files mean: a name in the table, or a mapping from number to class; None if
            they are the classes.
        table: what the labels show.

    Raises:
        InputError: no such folder, a case without a file or with several, or an unknown convention.
    """

    def __init__(
        self,
        predictions: str,
        cases: Sequence[Mapping[str, Any]],
        num_classes: int,
        convention: str | Mapping[int | str, int] | None = None,
        table: str = "brain_tumour",
    ) -> None:
        self.num_classes = num_classes
        own = {number: number for number in range(num_classes)}
        self.classes_of = MapLabel(own if convention is None else convention, table=table, setting=SETTING)
        self.files = prediction_files(predictions, [str(case["case"]) for case in cases], ENDINGS, SUFFIXES)
        self.load = image_loader()

    def __call__(self, engine: Engine, batch: Mapping[str, Any]) -> Any:
        """Read the prediction of a batch of one case.

        Raises:
            InputError: a file that cannot be read, on another grid than the label, or with an unknown number.
        """
        assert isinstance(engine, SupervisedEvaluator)
        images, labels = engine.prepare_batch(batch, engine.state.device, engine.non_blocking)
        (label,) = decollate_batch(batch[CommonKeys.LABEL])
        logits = list_data_collate([{CommonKeys.PRED: self.read(str(batch["case"][0]), label)}])[CommonKeys.PRED]
        engine.state.output = {CommonKeys.IMAGE: images, CommonKeys.LABEL: labels}
        engine.state.output[CommonKeys.PRED] = logits.to(engine.state.device)
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return engine.state.output

    def read(self, case: str, label: Tensor) -> MetaTensor:
        """Return logits (C, x, y, z) on the grid of the file, which must be that of the label."""
        file = self.files[case]
        try:
            values = self.load(file, reader=NiftiReader())
        except InputError:
            raise
        except Exception as error:  # nibabel, zlib and gzip each have their own
            raise InputError(f"{file}: is no readable label map ({type(error).__name__}); copy it again.") from error
        if difference := grid_difference(label, values):
            raise InputError(f"{file}: is not on the grid of the case's label: {difference}; write it on that grid.")
        classes = self.classes_of(values)[0].long()
        if (largest := int(classes.max())) >= self.num_classes:
            raise InputError(
                f"{file}: holds class {largest}, expected classes up to {self.num_classes - 1}; correct {SETTING}."
            )
        certain = CERTAIN * one_hot(classes.as_tensor(), self.num_classes).movedim(-1, 0).float()
        return MetaTensor(certain, affine=values.affine)


def read_predictions(
    predictions: str | None,
    cases: Sequence[Mapping[str, Any]],
    num_classes: int,
    convention: str | Mapping[int | str, int] | None = None,
    table: str = "brain_tumour",
) -> ReadPredictions | None:
    """Return `ReadPredictions` with the same arguments; None without a folder: the network predicts."""
    if predictions is None:
        if convention is not None:
            raise InputError("--prediction_convention: has no effect without --predictions; give both, or neither.")
        return None
    return ReadPredictions(predictions, cases, num_classes, convention, table)
