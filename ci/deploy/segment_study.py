"""Operator of MONAI Deploy: a folder with a DICOM study in, a DICOM Segmentation and the bundle's other results out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai.deploy.core import (
    ConditionType,
    ExecutionContext,
    Fragment,
    InputContext,
    Operator,
    OperatorSpec,
    OutputContext,
)
from packed_bundle import library_of

__all__ = ["SegmentStudyOperator"]


class SegmentStudyOperator(Operator):
    """Segment a study with a packed bundle, all modalities together.

    The bundle reads the series, tells them apart and writes the Segmentation, as its inference.json does. The SDK's own
    operators hand one image of one channel to a network, and choose series by rules of their own.

    Output "results": folder of the case; nothing has to receive it.

    Args:
        fragment: the application.
        bundle: folder of the packed bundle.
        study: folder of the study.
        output: folder in which the case's folder is made.
        settings: of the bundle's `Segmenter`: overlays, weights, device, and any setting of inference.json.

    Raises:
        InputError: of the bundle's library: weights or a setting that cannot be used.
    """

    def __init__(
        self,
        fragment: Fragment,
        *args: Any,
        bundle: Path,
        study: Path,
        output: Path,
        settings: dict[str, Any],
        name: str,
    ) -> None:
        self.study, self.output = study, output
        self.segmenter = library_of(bundle, "inferers").Segmenter(bundle, **{"dicom_seg": True, **settings})
        super().__init__(fragment, *args, name=name)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the output, which needs no receiver."""
        spec.output("results").condition(ConditionType.NONE)

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Segment the study.

        Raises:
            InputError: of the bundle's library: what is wrong with the study.
        """
        op_output.emit(self.segmenter(dicom_dir=self.study).save(self.output), "results")
