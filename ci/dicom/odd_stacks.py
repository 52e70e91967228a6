"""Studies with several images in one series: b-values, echoes, time points or planes."""

from __future__ import annotations

from shared.phantoms.dicom_phantoms import grid_of
from shared.phantoms.dicom_protocols import T2, TRACE

from .odd_study import OddStudy, odd


@odd("two b-values in one series")
def two_b_values(study: OddStudy) -> None:
    for index, b_value in enumerate((50.0, 800.0)):
        volume = study.painted.volumes["t2"] // (1 + index)
        tags = {**TRACE, "DiffusionBValue": b_value, "prefix": f"{index}_", "first": 1 + 6 * index}
        study.write("b", volume, study.painted.affine, 6, "ep2d_diff", **tags)


@odd("two echoes in one series")
def two_echoes(study: OddStudy) -> None:
    tags = {**T2, "EchoTime": 12, "prefix": "early_", "first": 7}
    study.write("04_t2_tse_tra", study.painted.volumes["t2"] // 2, study.painted.affine, 4, "t2_tse_tra", **tags)


@odd("magnitude and phase in one series")
def magnitude_and_phase(study: OddStudy) -> None:
    tags = {**T2, "ImageType": ["ORIGINAL", "PRIMARY", "P"], "prefix": "phase_", "first": 7}
    study.write("04_t2_tse_tra", study.painted.volumes["t2"] % 7, study.painted.affine, 4, "t2_tse_tra", **tags)


@odd("two time points in one series", refused="two slices are 0 mm apart")
def two_times(study: OddStudy) -> None:
    tags = {**T2, "prefix": "later_", "first": 7}
    study.write("04_t2_tse_tra", study.painted.volumes["t2"], study.painted.affine, 4, "t2_tse_tra", **tags)


@odd("one image of a series has another echo time", refused="its series holds stacks of 5, 1 images")
def one_other_echo(study: OddStudy) -> None:
    study.edit_file(study.files["t2"][5], EchoTime=20)


@odd("axial and coronal slices in one series", refused="none of its 1 series fits")
def two_planes(study: OddStudy) -> None:
    affine = grid_of("coronal", (24, 20, 6), (5, 5, 6))
    study.remove("adc")
    tags = {**T2, "prefix": "coronal_", "first": 7}
    study.write("04_t2_tse_tra", study.painted.volumes["t2"], affine, 4, "t2_tse_tra", **tags)


@odd("one image of a series is a derived one", refused="its series holds stacks of 5, 1 images")
def one_derived(study: OddStudy) -> None:
    study.edit_file(study.files["t2"][5], ImageType=["DERIVED", "SECONDARY"])
