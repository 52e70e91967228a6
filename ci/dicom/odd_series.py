"""Studies with odd series: others than the modalities, or two that fit."""

from __future__ import annotations

import numpy as np

from shared.phantoms.dicom_protocols import ADC, MPRAGE, T2

from .odd_study import OddStudy, odd

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def _in_colour(dataset: object, _: int) -> None:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelData = np.zeros((dataset.Rows, dataset.Columns, 3), np.uint8).tobytes()


@odd("a coronal T2")
def coronal(study: OddStudy) -> None:
    study.extra("t2_tse_cor")


@odd("a localizer")
def localizer(study: OddStudy) -> None:
    study.extra("localizer")


@odd("a localizer with the words of a T2")
def localizer_called_t2(study: OddStudy) -> None:
    study.files["localizer"] = study.extra("localizer")
    study.edit("localizer", SeriesDescription="t2_haste", ImageType=["ORIGINAL", "PRIMARY", "M"], EchoTime=90)


@odd("a diffusion-weighted image")
def diffusion(study: OddStudy) -> None:
    study.extra("ep2d_diff_tra_b800")


@odd("a series was repeated", refused=r"series 4 \(t2_tse_tra\) and series 8 \(t2_tse_tra\) fit equally well")
def repeated(study: OddStudy) -> None:
    study.write("8", study.painted.volumes["t2"][::-1], study.painted.affine, 8, "t2_tse_tra", **T2)


@odd("a series was repeated, and --series decides")
def repeated_and_chosen(study: OddStudy) -> None:
    repeated(study)
    study.series = {"t2": 8}
    study.truth["t2"] = (study.painted.volumes["t2"][::-1], study.painted.affine)


@odd("a series was sent twice, under other identifiers", refused="fit equally well")
def sent_twice(study: OddStudy) -> None:
    study.files["again"] = study.write(
        "again", study.painted.volumes["t2"], study.painted.affine, 40, "t2_tse_tra", **T2
    )
    study.edit("again", SeriesNumber=4)


@odd("a filtered form of the T2 next to it", refused="fit equally well")
def filtered(study: OddStudy) -> None:
    tags = {**T2, "ImageType": ["ORIGINAL", "PRIMARY", "M", "NORM", "DIS2D"]}
    study.write("8", study.painted.volumes["t2"], study.painted.affine, 8, "t2_tse_tra", **tags)


@odd("a reformatted series")
def reformatted(study: OddStudy) -> None:
    tags = {**T2, "ImageType": ["DERIVED", "SECONDARY", "MPR"]}
    study.write("8", study.painted.volumes["t2"], study.painted.affine, 8, "t2_tse_tra", **tags)


@odd("nothing but a reformatted series", refused="none of its 1 series fits")
def only_reformatted(study: OddStudy) -> None:
    reformatted(study)
    study.remove("t2", "adc")


@odd("secondary captures")
def secondary_captures(study: OddStudy) -> None:
    study.files["captures"] = study.write("8", study.painted.volumes["t2"], study.painted.affine, 8, "t2_tse_tra", **T2)
    study.edit("captures", SOPClassUID=SECONDARY_CAPTURE)


@odd("screenshots in colour, without a place")
def screenshots(study: OddStudy) -> None:
    secondary_captures(study)
    study.edit("captures", _in_colour, ImagePositionPatient=None, ImageOrientationPatient=None, PixelSpacing=None)


@odd("a coloured map with the words of the ADC")
def coloured_map(study: OddStudy) -> None:
    study.files["map"] = study.write("8", study.painted.volumes["adc"], study.painted.affine, 8, "ADC colour", **ADC)
    study.edit("map", _in_colour)


@odd("a subtraction", organ="brain")
def subtraction(study: OddStudy) -> None:
    study.extra("t1_mprage_sub")


@odd("two series without contrast agent", organ="brain", refused="fit equally well")
def two_native(study: OddStudy) -> None:
    study.write("8", study.painted.volumes["t1"], study.painted.affine, 5, "t1_mprage_tra", **MPRAGE)


@odd("a CT in the same study")
def another_modality(study: OddStudy) -> None:
    study.files["ct"] = study.write("8", study.painted.volumes["t2"], study.painted.affine, 8, "t2", **T2)
    study.edit("ct", Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2")


@odd("a report, a PDF, a presentation state, a registration and spectra among the files")
def objects(study: OddStudy) -> None:
    from pydicom import dcmread

    kinds = {
        "SR": "1.2.840.10008.5.1.4.1.1.88.11",
        "DOC": "1.2.840.10008.5.1.4.1.1.104.1",
        "PR": "1.2.840.10008.5.1.4.1.1.11.1",
        "REG": "1.2.840.10008.5.1.4.1.1.66.1",
        "MR": "1.2.840.10008.5.1.4.1.1.4.2",  # spectra: rows and columns, and no pixels
    }
    without_pixels = ("PixelData", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
    for index, (modality, kind) in enumerate(kinds.items()):
        dataset = dcmread(study.files["t2"][0])
        for tag in without_pixels if modality == "MR" else (*without_pixels, "Rows", "Columns"):
            delattr(dataset, tag)
        dataset.SOPClassUID, dataset.Modality, dataset.SOPInstanceUID = kind, modality, f"1.2.3.{index}"
        dataset.file_meta.MediaStorageSOPClassUID, dataset.SeriesInstanceUID = kind, f"1.2.3.9.{index}"
        dataset.save_as(study.folder / f"object{index}")


@odd("a segmentation among the files")
def segmentation(study: OddStudy) -> None:
    def change(dataset: object, _: int) -> None:
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 1, 1, 0
        dataset.PixelData = dataset.PixelData[: dataset.Rows * dataset.Columns // 8]

    study.files["seg"] = study.write("8", study.painted.volumes["t2"], study.painted.affine, 8, "t2 prostate", **T2)
    study.edit("seg", change, Modality="SEG", SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4")
