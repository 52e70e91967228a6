"""Studies whose pixels are stored in odd ways."""

from __future__ import annotations

from typing import Any

import numpy as np

from .odd_study import OddStudy, odd


def _store(dataset: Any, pixels: np.ndarray) -> None:
    dataset.PixelData = np.ascontiguousarray(pixels).tobytes()


@odd("a rescale slope and intercept")
def rescaled(study: OddStudy) -> None:
    study.edit("adc", RescaleSlope=0.5, RescaleIntercept=-3)
    study.truth["adc"] = (study.truth["adc"][0] * 0.5 - 3, study.painted.affine)


@odd("another slope in every slice")
def slopes(study: OddStudy) -> None:
    study.edit("adc", lambda dataset, index: setattr(dataset, "RescaleSlope", (index + 4) / 4), RescaleIntercept=-2)
    study.truth["adc"] = (study.truth["adc"][0] * (np.arange(6) + 4) / 4 - 2, study.painted.affine)


@odd("a slope of 0", refused="has a RescaleSlope of 0")
def slope_of_zero(study: OddStudy) -> None:
    study.edit("adc", RescaleSlope=0, RescaleIntercept=0)


@odd("a decimal comma in RescaleSlope", refused="RescaleSlope or RescaleIntercept is no number")
def slope_with_comma(study: OddStudy) -> None:
    study.edit("adc", RescaleSlope=1.2345, RescaleIntercept=0)
    study.replace_bytes("adc", b"1.2345", b"1,2345")


@odd("16 bits with a sign")
def signed(study: OddStudy) -> None:
    def change(dataset: Any, _: int) -> None:
        dataset.PixelRepresentation = 1
        _store(dataset, dataset.pixel_array.astype("<i2") - 450)

    study.edit("t2", change)
    study.truth["t2"] = (study.truth["t2"][0].astype(int) - 450, study.painted.affine)


@odd("12 bits, with an overlay in the other 4")
def overlay_bits(study: OddStudy) -> None:
    def change(dataset: Any, _: int) -> None:
        pixels = dataset.pixel_array.astype("<u2")
        pixels[::2] |= 0x4000
        dataset.BitsStored, dataset.HighBit = 12, 11
        _store(dataset, pixels)

    study.edit("t2", change)


@odd("very large values")
def large(study: OddStudy) -> None:
    def change(dataset: Any, _: int) -> None:
        _store(dataset, (65535 - dataset.pixel_array).astype("<u2"))

    study.edit("t2", change)
    study.truth["t2"] = (65535 - study.truth["t2"][0].astype(int), study.painted.affine)


@odd("32 bits")
def many_bits(study: OddStudy) -> None:
    def change(dataset: Any, _: int) -> None:
        pixels = dataset.pixel_array.astype("<u4") * 1000
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 32, 32, 31
        _store(dataset, pixels)

    study.edit("t2", change)
    study.truth["t2"] = (study.truth["t2"][0].astype(int) * 1000, study.painted.affine)


@odd("implicit types (implicit VR)")
def implicit(study: OddStudy) -> None:
    from pydicom import dcmread
    from pydicom.uid import ImplicitVRLittleEndian

    for path in study.files["t2"]:
        dataset = dcmread(path)
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        dataset.save_as(path, implicit_vr=True, little_endian=True)


@odd("big endian")
def big_endian(study: OddStudy) -> None:
    from pydicom import dcmread, dcmwrite
    from pydicom.uid import ExplicitVRBigEndian

    for path in study.files["t2"]:
        dataset = dcmread(path)
        _store(dataset, dataset.pixel_array.astype(">u2"))
        dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        dataset["PixelData"].VR = "OW"
        dcmwrite(path, dataset, implicit_vr=False, little_endian=False, force_encoding=True)


@odd("deflated files")
def deflated(study: OddStudy) -> None:
    from pydicom import dcmread
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    for path in study.files["t2"]:
        dataset = dcmread(path)
        dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        dataset.save_as(path)


@odd("compressed with a codec that is there (RLE)")
def compressed(study: OddStudy) -> None:
    from pydicom import dcmread
    from pydicom.uid import RLELossless

    for path in study.files["t2"]:
        dataset = dcmread(path)
        dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.save_as(path)


@odd("compressed with a codec that is not there (HTJ2K)", refused=r"000.dcm: cannot be read as an image")
def compressed_without_codec(study: OddStudy) -> None:
    from pydicom import dcmread
    from pydicom.encaps import encapsulate
    from pydicom.uid import HTJ2KLossless

    for path in study.files["t2"]:
        dataset = dcmread(path)
        dataset.file_meta.TransferSyntaxUID = HTJ2KLossless
        dataset.PixelData = encapsulate([dataset.PixelData])
        dataset.save_as(path)


@odd("compressed pixels that are damaged", refused=r"00\d.dcm: cannot be read as an image")
def damaged_compression(study: OddStudy) -> None:
    compressed(study)
    path = study.files["t2"][2]
    content = path.read_bytes()
    path.write_bytes(content[:-300])


@odd("padding around what was measured", warns="120 voxels have the padding value 63000 and become 0")
def padding(study: OddStudy) -> None:
    def change(dataset: Any, _: int) -> None:
        pixels = dataset.pixel_array.copy()
        pixels[0, :20] = 63000
        dataset.add_new("PixelPaddingValue", "US", 63000)
        _store(dataset, pixels)

    study.edit("t2", change)
    volume = study.truth["t2"][0].copy()
    volume[:20, 0] = 0
    study.truth["t2"] = (volume, study.painted.affine)


@odd("0 is white (MONOCHROME1)", refused="is MONOCHROME1, 0 is white; convert it")
def white_is_zero(study: OddStudy) -> None:
    study.edit("t2", PhotometricInterpretation="MONOCHROME1")


@odd("all pixels are 0", warns="adc has one single value, 0, and counts as absent")
def all_zero(study: OddStudy) -> None:
    study.edit("adc", lambda dataset, _: _store(dataset, 0 * dataset.pixel_array))
    study.truth.pop("adc")


@odd("all pixels have one value, in the only series", refused=r"none of its modalities \(t2, adc\) is present")
def constant(study: OddStudy) -> None:
    study.remove("adc")
    study.edit("t2", lambda dataset, _: _store(dataset, 0 * dataset.pixel_array + 7))


@odd("fewer pixels than rows and columns say", refused="003.dcm: is cut off or damaged")
def too_few_pixels(study: OddStudy) -> None:
    study.edit_file(study.files["t2"][3], lambda dataset: _store(dataset, dataset.pixel_array[:-4]))
