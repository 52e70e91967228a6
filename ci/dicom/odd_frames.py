"""Studies with several slices in one file: enhanced multi-frame images and mosaics."""

from __future__ import annotations

from shared.phantoms.dicom_enhanced import write_enhanced

from .odd_study import OddStudy, odd


def _enhanced(study: OddStudy, **options: object) -> None:
    study.remove("adc")
    for path in study.files["t2"]:
        path.unlink()
    path = study.folder / "enhanced.dcm"
    write_enhanced(
        path, study.painted.volumes["t2"], study.painted.affine, 4, "t2", study=study.painted.study, **options
    )


@odd("a mosaic", refused="none of its 1 series fits t2 or adc")
def mosaic(study: OddStudy) -> None:
    study.remove("adc")
    study.edit("t2", ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"])


@odd("an enhanced multi-frame image")
def enhanced(study: OddStudy) -> None:
    _enhanced(study, slopes=[2.5] * 6)
    study.truth["t2"] = (study.painted.volumes["t2"] * 2.5, study.painted.affine)


@odd("an enhanced image with two echoes", refused="two slices are 0 mm apart")
def enhanced_echoes(study: OddStudy) -> None:
    _enhanced(study, echo_times=(90.0, 110.0), order=[0, 0, 1, 1, 2, 2])


@odd("an enhanced image with a slope per frame", refused="frames have different rescale slopes")
def enhanced_slopes(study: OddStudy) -> None:
    _enhanced(study, slopes=[1, 2, 3, 4, 5, 6])


@odd("an enhanced image with frames in another order", refused="slices would be read .* mm from where their tags")
def enhanced_shuffled(study: OddStudy) -> None:
    _enhanced(study, order=[0, 2, 1, 3, 4, 5])


@odd("frames of one file without places of their own", refused="none of its 1 series fits")
def frames_without_places(study: OddStudy) -> None:
    _enhanced(study)
    study.edit_file(
        study.folder / "enhanced.dcm",
        SOPClassUID="1.2.840.10008.5.1.4.1.1.4",
        PerFrameFunctionalGroupsSequence=None,
        SharedFunctionalGroupsSequence=None,
        ImagePositionPatient=[0, 0, 0],
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        PixelSpacing=[5, 5],
    )
