"""Write the volumes of a Segmentation's segments as a DICOM structured report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["volume_report"]

SERIES_NUMBER = 1001
MAGNETIC_RESONANCE = ("113091000", "SCT", "Magnetic resonance imaging")
MOST_LETTERS = 64  # of a text of type LO


def volume_report(
    segmentation: Any,
    source: Sequence[Any],
    volumes_ml: Mapping[str, float],
    codes: Mapping[str, Mapping[str, Sequence[str]]],
    name: str,
    version: str,
) -> Any:
    """Make a Measurement Report (PS3.16, TID 1500) with a group of measurements (TID 1411) per segment.

    A group refers to its segment and has one number, the volume in cm3 (ml). The UIDs are functions of that of the
    Segmentation.

    Args:
        segmentation: what the report refers to.
        source: the images that the Segmentation refers to.
        volumes_ml: {class: volume} in the order of the segments.
        codes: {class: {"category": code, "type": code}}, a code being [value, scheme, meaning].
        name: of the algorithm.
        version: of the algorithm.

    Returns:
        The dataset, highdicom's `EnhancedSR`.
    """
    from highdicom import sr
    from pydicom.sr.codedict import codes as known
    from pydicom.uid import generate_uid

    def uid(*words: str) -> str:
        return generate_uid(entropy_srcs=[str(segmentation.SOPInstanceUID), *words])

    groups = [
        sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=sr.TrackingIdentifier(uid=uid("segment", str(number)), identifier=label),
            referenced_segment=sr.ReferencedSegment(  # highdicom's own reading of it fails for an empty segment
                sop_class_uid=segmentation.SOPClassUID,
                sop_instance_uid=segmentation.SOPInstanceUID,
                segment_number=number,
                source_series=sr.SourceSeriesForSegmentation(source[0].SeriesInstanceUID),
            ),
            finding_category=sr.CodedConcept(*codes[label]["category"]),
            finding_type=sr.CodedConcept(*codes[label]["type"]),
            algorithm_id=sr.AlgorithmIdentification(name=name, version=version),
            measurements=[sr.Measurement(known.SCT.Volume, value=volume, unit=known.UCUM.CubicCentimeter)],
        )
        for number, (label, volume) in enumerate(volumes_ml.items(), start=1)
    ]
    device = sr.DeviceObserverIdentifyingAttributes(uid=generate_uid(entropy_srcs=[name, version]), name=name)
    observer = sr.ObserverContext(known.DCM.Device, observer_identifying_attributes=device)
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=sr.CodedConcept(*MAGNETIC_RESONANCE),
        imaging_measurements=groups,
    )
    return sr.EnhancedSR(
        evidence=[segmentation, *source],
        content=report[0],
        series_instance_uid=uid("report series"),
        series_number=SERIES_NUMBER,
        series_description="Volumes, for research use only",
        sop_instance_uid=uid("report"),
        instance_number=1,
        manufacturer="MONAI bundle",
        manufacturer_model_name=name[:MOST_LETTERS],
        software_versions=version,
        is_complete=True,
    )
