"""Operator of MONAI Deploy: an image per modality in, the label map out, between the SDK's own DICOM operators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from monai.deploy.core import (
    ConditionType,
    ExecutionContext,
    Fragment,
    Image,
    InputContext,
    Operator,
    OperatorSpec,
    OutputContext,
)
from packed_bundle import library_of

__all__ = ["SegmentImagesOperator"]

AFFINE = "nifti_affine_transform"  # of `DICOMSeriesToVolumeOperator`: voxel (column, row, slice) to millimetres, RAS


class SegmentImagesOperator(Operator):
    """Segment the images of several modalities together, where the SDK's bundle operator takes one channel.

    Inputs: each modality by its name, an image of `DICOMSeriesToVolumeOperator`. Output "seg_image": label map for
    `DICOMSegmentationWriterOperator`, on the grid of the first modality, whose series the writer needs.

    Args:
        fragment: the application.
        bundle: folder of the packed bundle.
        modalities: those that the application has; at least one of the bundle's.
        settings: of the bundle's `Segmenter`: overlays, weights, device, and any setting of inference.json.

    Raises:
        InputError: of the bundle's library: weights or a setting that cannot be used.
    """

    def __init__(
        self,
        fragment: Fragment,
        *args: Any,
        bundle: Path,
        modalities: list[str],
        settings: dict[str, Any],
        name: str,
    ) -> None:
        self.modalities = modalities
        settings = {"reference_modality": modalities[0], **settings}
        self.segmenter = library_of(bundle, "inferers").Segmenter(bundle, **settings)
        self.input_error = library_of(bundle, "errors").InputError
        super().__init__(fragment, *args, name=name)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare an input per modality, and the output."""
        for modality in self.modalities:
            spec.input(modality)
        spec.output("seg_image").condition(ConditionType.NONE)

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Segment one case.

        Raises:
            InputError: of the bundle's library: what is wrong with the images.
        """
        images = {modality: op_input.receive(modality) for modality in self.modalities}
        for modality, image in images.items():
            self._check_pixels(modality, image.metadata())
        volumes = {modality: volume_of(image) for modality, image in images.items()}
        label = np.asarray(self.segmenter(**volumes, case="study").label[0])
        op_output.emit(Image(label.swapaxes(0, 2), images[self.modalities[0]].metadata()), "seg_image")

    def _check_pixels(self, modality: str, metadata: dict[str, Any]) -> None:
        """Refuse pixels that are not square: the SDK's affine has their height and width in each other's place."""
        height, width = float(metadata["row_pixel_spacing"]), float(metadata["col_pixel_spacing"])
        if abs(height - width) > 1e-3 * height:
            raise self.input_error(
                f"{modality}: has pixels of {width:g} x {height:g} mm, which MONAI Deploy 4.0.0 places wrongly unless "
                "they are square; use SegmentStudyOperator, which reads the series itself."
            )


def volume_of(image: Image) -> tuple[np.ndarray, np.ndarray]:
    """Return array (x, y, z) and affine of an image, whose array is (slice, row, column)."""
    return np.asarray(image.asnumpy(), dtype=np.float32).swapaxes(0, 2), np.asarray(image.metadata()[AFFINE])
