"""Series that scanners of 3 T send of a prostate and of a brain, with what their headers say about the sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["ADC", "BRAIN", "MPRAGE", "PROSTATE", "T2", "TRACE", "Series"]

SCANNER = {"MagneticFieldStrength": 3, "PatientPosition": "HFS", "AcquisitionNumber": 1, "SequenceVariant": "SK"}
SPIN_ECHO = {**SCANNER, "ScanningSequence": "SE", "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"]}
GRADIENT_ECHO = {**SCANNER, "ScanningSequence": ["GR", "IR"], "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "NORM"]}
ECHO_PLANAR = {**SCANNER, "ScanningSequence": "EP", "SequenceName": "*ep_b0", "EchoTime": 63, "RepetitionTime": 2700}
MPRAGE = {**GRADIENT_ECHO, "EchoTime": 2.9, "RepetitionTime": 2300, "InversionTime": 900, "MRAcquisitionType": "3D"}
LOCALIZER = {
    **GRADIENT_ECHO,
    "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "LOCALIZER"],
    "ScanningSequence": "GR",
    "EchoTime": 4.2,
    "RepetitionTime": 8.6,
}


class Series(NamedTuple):
    """One series of a painted study.

    Attributes:
        number: SeriesNumber.
        description: SeriesDescription.
        shows: modality that is painted, or a b-value: a diffusion-weighted image.
        tags: of its sequence.
        plane: "axial", "coronal", "sagittal", or "localizer": some slices of each.
    """

    number: int
    description: str
    shows: str | int
    tags: Mapping[str, Any]
    plane: str = "axial"


T2 = {**SPIN_ECHO, "EchoTime": 104, "RepetitionTime": 5660, "MRAcquisitionType": "2D", "EchoTrainLength": 15}
ADC = {**ECHO_PLANAR, "ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC", "ND"]}
TRACE = {**ECHO_PLANAR, "ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "TRACEW", "ND"]}
AGENT = {"ContrastBolusAgent": "Gadobutrol"}
PROSTATE = (
    Series(1, "localizer", "t2", LOCALIZER, "localizer"),
    Series(4, "t2_tse_tra", "t2", T2),
    Series(5, "t2_tse_cor", "t2", T2, "coronal"),
    Series(6, "ep2d_diff_tra_b800", 800, {**TRACE, "DiffusionBValue": 800.0}),
    Series(7, "ep2d_diff_tra_ADC", "adc", ADC),
)
FLAIR_TIMES = {"EchoTime": 94, "RepetitionTime": 9000, "InversionTime": 2500}
BRAIN = (
    Series(1, "localizer", "t1", LOCALIZER, "localizer"),
    Series(2, "t1_mprage_tra", "t1", MPRAGE),
    Series(3, "t2_tse_tra", "t2", T2),
    Series(4, "t2_tirm_tra_dark-fluid", "flair", {**SPIN_ECHO, **FLAIR_TIMES, "ScanningSequence": ["SE", "IR"]}),
    Series(9, "t1_mprage_tra_KM", "t1ce", {**MPRAGE, **AGENT}),
    Series(10, "t1_mprage_sub", "t1", {**MPRAGE, "ImageType": ["DERIVED", "PRIMARY", "SUBTRACT"]}),
)
