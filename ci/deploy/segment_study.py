"""Operator of MONAI Deploy: a folder with a DICOM study in, a DICOM Segmentation and the bundle's other results out."""

from __future__ import annotations

import json
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
from packed_bundle import CONFIG, library_of

__all__ = ["SegmentStudyOperator"]

DEFAULTS = {"dicom_seg": True, "resample_modalities": True}


class SegmentStudyOperator(Operator):
    """Segment a study with a packed bundle: all MR modalities together, or every picture of an ultrasound study.

    The bundle reads the series, tells them apart and writes the Segmentation, as its inference.json does. The SDK's own
    operators hand one image of one channel to a network, and choose series by rules of their own.

    Output "results": list of the cases' folders; nothing has to receive it.

    Args:
        fragment: the application.
        bundle: folder of the packed bundle.
        study: folder of the study.
        output: folder in which the case's folder is made.
        settings: of the bundle's `Segmenter`: overlays, weights, device, and any setting of inference.json. `DEFAULTS`
            are added where the bundle has such a setting.

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
        known = json.loads((bundle / CONFIG).read_text(encoding="utf-8"))
        settings = {name: value for name, value in DEFAULTS.items() if name in known} | settings
        self.segmenter = library_of(bundle, "inferers").Segmenter(bundle, **settings)
        super().__init__(fragment, *args, name=name)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the output, which needs no receiver."""
        spec.output("results").condition(ConditionType.NONE)

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Segment the study.

        Raises:
            InputError: of the bundle's library: what is wrong with the study.
        """
        op_output.emit([result.save(self.output) for result in self.segmenter.study(self.study)], "results")
