"""Studies whose tags are odd: mixed, missing, damaged, or in other languages."""

from __future__ import annotations

from .odd_study import OddStudy, odd

ANOTHER_UID = "1.2.3.4.5"


def _describe(study: OddStudy, **descriptions: str) -> None:
    for name, description in descriptions.items():
        study.edit(name, SeriesDescription=description)


@odd("two patients", refused=r"holds files of 2 patients \(by id, name or date of birth\); give one study")
def two_patients(study: OddStudy) -> None:
    study.edit("adc", PatientID="another")


@odd("two studies", refused="holds files of 2 studies")
def two_studies(study: OddStudy) -> None:
    study.edit("adc", StudyInstanceUID=ANOTHER_UID)


@odd("two frames of reference", refused="their frames of reference differ")
def two_places(study: OddStudy) -> None:
    study.edit("adc", FrameOfReferenceUID=ANOTHER_UID)


@odd("two frames of reference in one series", refused="its slices have two frames of reference")
def two_places_in_one_series(study: OddStudy) -> None:
    study.edit_file(study.files["t2"][2], FrameOfReferenceUID=ANOTHER_UID)


@odd("no frame of reference", warns="has no frame of reference")
def no_place(study: OddStudy) -> None:
    for name in study.files:
        study.edit(name, FrameOfReferenceUID=None)


@odd("no ImageOrientationPatient", refused="000.dcm has no ImageOrientationPatient of 6 numbers")
def no_orientation(study: OddStudy) -> None:
    study.edit("t2", ImageOrientationPatient=None)


@odd("no ImagePositionPatient in one file", refused="001.dcm has no ImagePositionPatient of 3 numbers")
def no_position(study: OddStudy) -> None:
    study.edit_file(study.files["t2"][1], ImagePositionPatient=None)


@odd("an empty ImagePositionPatient", refused="001.dcm has no ImagePositionPatient of 3 numbers")
def empty_position(study: OddStudy) -> None:
    study.edit_file(study.files["t2"][1], lambda dataset: setattr(dataset, "ImagePositionPatient", None))


@odd("no PixelSpacing", refused="000.dcm has no PixelSpacing of 2 numbers")
def no_spacing(study: OddStudy) -> None:
    study.edit("t2", PixelSpacing=None)


@odd("a decimal comma in PixelSpacing", refused="000.dcm has no PixelSpacing of 2 numbers")
def decimal_comma(study: OddStudy) -> None:
    study.replace_bytes("t2", b"5.0\\5.0", b"5,0\\5,0")


@odd("EchoTime and ImagesInAcquisition are texts that Python takes for numbers")
def infinite_numbers(study: OddStudy) -> None:
    study.edit("t2", EchoTime=123.456, ImagesInAcquisition=123456)
    study.replace_bytes("t2", b"123.456", b"1e999  ")
    study.replace_bytes("t2", b"123456", b"nan   ")


@odd("no SeriesInstanceUID", refused="000.dcm: has no SeriesInstanceUID")
def no_series(study: OddStudy) -> None:
    for name in study.files:
        study.edit(name, SeriesInstanceUID=None)


@odd("no SOPInstanceUID", refused="000.dcm: has no SOPInstanceUID")
def no_instance(study: OddStudy) -> None:
    study.edit("t2", SOPInstanceUID=None)


@odd("no StudyInstanceUID and no dates, as after anonymising")
def no_dates(study: OddStudy) -> None:
    for name in study.files:
        study.edit(name, StudyInstanceUID=None, StudyDate=None, StudyTime=None, AcquisitionDate="", AcquisitionTime="")


@odd("no SeriesNumber")
def no_number(study: OddStudy) -> None:
    for name in study.files:
        study.edit(name, SeriesNumber=None)


@odd("every file a series of its own, as after anonymising", refused="none of its 12 series fits t2 or adc")
def series_of_one(study: OddStudy) -> None:
    for name in study.files:
        study.edit(
            name, lambda dataset, index: setattr(dataset, "SeriesInstanceUID", f"{dataset.SeriesInstanceUID}.{index}")
        )


@odd("names of persons in other letters")
def other_letters(study: OddStudy) -> None:
    for name in study.files:
        study.edit(name, PatientName="Müller^Jürgen=山田^太郎", OperatorsName="Ωμέγα")


@odd("letters that the character set does not hold")
def wrong_letters(study: OddStudy) -> None:
    for name in study.files:
        study.edit(name, SpecificCharacterSet="ISO_IR 100", ImageComments="Schädel")
        study.replace_bytes(name, b"ISO_IR 100", b"ISO_IR 6\x00\x00")


@odd("no description of any series")
def no_description(study: OddStudy) -> None:
    for name in study.files:
        study.edit(name, SeriesDescription=None)


@odd("neither descriptions nor parameters of the sequences", refused="none of its 2 series fits t2 or adc")
def nothing_said(study: OddStudy) -> None:
    for name in study.files:
        study.edit(name, SeriesDescription=None, EchoTime=None, RepetitionTime=None, ImageType=["ORIGINAL", "PRIMARY"])


@odd("descriptions of T2 and ADC are swapped", refused="none of its 2 series fits t2 or adc")
def swapped_descriptions(study: OddStudy) -> None:
    _describe(study, t2="ep2d_diff_tra_ADC", adc="t2_tse_tra")


@odd("T2 and ADC are swapped by --series", warns="t2 is series 7 .*since --series says so, but: description says adc")
def swapped_by_hand(study: OddStudy) -> None:
    study.series = {"t2": 7, "adc": 4}
    study.truth = {"t2": study.truth["adc"], "adc": study.truth["t2"]}


@odd("descriptions in Spanish")
def spanish(study: OddStudy) -> None:
    study.edit("t2", SeriesDescription="AX T2 próstata")
    study.edit("adc", SeriesDescription="Coeficiente de difusión aparente", ImageType=["DERIVED", "SECONDARY", "ADC"])


@odd("descriptions in German", organ="brain")
def german(study: OddStudy) -> None:
    _describe(study, t1="T1 nativ tra", t1ce="T1 tra nach KM", t2="T2 gewichtet tra", flair="Dark-Fluid transversal")


@odd("descriptions in French", organ="brain")
def french(study: OddStudy) -> None:
    _describe(study, t1="AX T1 sans injection", t1ce="AX T1 injecté", t2="AX T2 pondérée", flair="AX T2 FLAIR épais")


@odd("descriptions in Japanese", organ="brain")
def japanese(study: OddStudy) -> None:
    _describe(study, t1="頭部 T1 単純", t1ce="頭部 T1 造影", t2="頭部 横断 T2", flair="頭部 横断")


@odd("with and without contrast agent are mixed up in words", organ="brain", refused="made before t1")
def contrast_mixed_up(study: OddStudy) -> None:
    _describe(study, t1="T1 KM", t1ce="T1 nativ")


@odd("contrast agent in the tag of one series, in the words of the other", organ="brain", refused="fit equally well")
def contrast_in_two_places(study: OddStudy) -> None:
    _describe(study, t1="T1 KM", t1ce="T1")


@odd("contrast agent in the tag of all series, as some centres enter it", organ="brain")
def contrast_in_all_tags(study: OddStudy) -> None:
    for name in study.files:
        study.edit(name, ContrastBolusAgent="Gadobutrol")
    study.edit("t1", SeriesDescription="T1 vor KM")


@odd("a CT", refused="holds no MR images, only CT")
def computed_tomography(study: OddStudy) -> None:
    for name in study.files:
        study.edit(name, Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2")


@odd("the modality is OT", refused="holds no MR images, only OT")
def other_modality(study: OddStudy) -> None:
    for name in study.files:
        study.edit(name, Modality="OT")
