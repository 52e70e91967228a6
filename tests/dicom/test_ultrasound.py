"""Ultrasound of one study: every frame is a picture, in whatever way its pixels are stored."""

import io
import json
import logging

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import convert_color_space
from pydicom.uid import JPEGBaseline8Bit, RLELossless
from study_files import ID, NAME, OF_TESTS, change, save

from shared.dicom import LoadImageUltrasoundd, find_pictures_or_study, ultrasound_cases
from shared.errors import InputError
from shared.phantoms import paint_breast
from shared.phantoms.dicom_files import common_tags
from shared.transforms import LoadPictured
from shared.transforms.pixel_areas import area_mm2, pixel_areas_mm2

US, US_FRAMES = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.3.1"
GREY = paint_breast((0, 1, 1), (64, 96), kind="benign")[0]
COLOURED = np.stack([GREY, GREY // 2, 255 - GREY], axis=-1)


def write(folder, pixels, number=1, photometric="MONOCHROME2", frames=None, regions=(), modality="US", **tags):
    """Write (H, W), (H, W, 3), or with `frames` one more axis in front."""
    kind = US if frames is None else US_FRAMES
    dataset = common_tags(OF_TESTS, 1, "breast left", f"1.2.3.{number}", kind, modality)
    dataset.InstanceNumber = number
    shape = pixels.shape if frames is None else pixels.shape[1:]
    dataset.Rows, dataset.Columns = shape[:2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = (3 if len(shape) == 3 else 1), photometric
    if len(shape) == 3:
        dataset.PlanarConfiguration = 0
    if frames is not None:
        dataset.NumberOfFrames = frames
    bits = 8 * pixels.dtype.itemsize
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits, bits - 1, 0
    dataset.PixelData = pixels.tobytes()
    if regions:
        dataset.SequenceOfUltrasoundRegions = [region(*given) for given in regions]
    for tag, value in tags.items():
        setattr(dataset, tag, value)
    path = folder / f"{number}.dcm"
    save(dataset, path)
    return path


def region(box, spatial_format=1, units=3, steps=(0.01, 0.02)):
    item = Dataset()
    item.RegionLocationMinX0, item.RegionLocationMinY0, item.RegionLocationMaxX1, item.RegionLocationMaxY1 = box
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = spatial_format, 1, 0
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = units
    item.PhysicalDeltaX, item.PhysicalDeltaY = steps
    return item


def read(case):
    return np.asarray(LoadPictured()(LoadImageUltrasoundd()(case))["image"])


def only(folder):
    (case,) = ultrasound_cases(folder)
    return case


def note(case):
    return json.loads(case["dicom"])


def test_grey_pictures_have_three_equal_channels(tmp_path):
    write(tmp_path, GREY)
    np.testing.assert_allclose(read(only(tmp_path)), np.stack([GREY] * 3) / 255, atol=1e-6)


def test_where_0_is_white_the_picture_is_inverted(tmp_path):
    write(tmp_path, 255 - GREY, photometric="MONOCHROME1")
    np.testing.assert_allclose(read(only(tmp_path)), np.stack([GREY] * 3) / 255, atol=1e-6)


def test_sixteen_bits_are_scaled_by_the_bits_that_are_stored(tmp_path):
    write(tmp_path, GREY.astype("<u2") * 16, BitsStored=12, HighBit=11)
    np.testing.assert_allclose(read(only(tmp_path))[0], GREY * 16.0 / 4095, atol=1e-6)


@pytest.mark.parametrize("planar", [0, 1])
def test_colours(tmp_path, planar):
    stored = COLOURED if planar == 0 else np.moveaxis(COLOURED, -1, 0).reshape(COLOURED.shape)
    path = write(tmp_path, np.ascontiguousarray(stored), photometric="RGB")
    change(path, PlanarConfiguration=planar)
    np.testing.assert_allclose(read(only(tmp_path)), np.moveaxis(COLOURED, -1, 0) / 255, atol=1e-6)


def test_luminance_and_chrominance_become_colours(tmp_path):
    write(tmp_path, convert_color_space(COLOURED, "RGB", "YBR_FULL"), photometric="YBR_FULL")
    np.testing.assert_allclose(read(only(tmp_path)), np.moveaxis(COLOURED, -1, 0) / 255, atol=2 / 255)


def test_halved_chrominance_is_no_cut_off_file(tmp_path):
    """YBR_FULL_422 has four bytes for two pixels: Y Y Cb Cr (PS3.3, C.7.6.3.1.2)."""
    path = write(tmp_path, COLOURED, photometric="YBR_FULL_422")
    pairs = np.stack(
        [GREY[:, ::2], GREY[:, 1::2], np.full_like(GREY[:, ::2], 128), np.full_like(GREY[:, ::2], 128)], -1
    )
    change(path, PixelData=pairs.tobytes())
    np.testing.assert_allclose(read(only(tmp_path)), np.stack([GREY] * 3) / 255, atol=1e-6)


def test_palettes_become_colours(tmp_path):
    ramp = np.arange(256, dtype="<u2") * 257
    tables = {"Red": ramp, "Green": ramp[::-1], "Blue": ramp // 2}
    tags = {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 16] for name in tables}
    tags |= {f"{name}PaletteColorLookupTableData": table.tobytes() for name, table in tables.items()}
    path = write(tmp_path, GREY, photometric="PALETTE COLOR")
    dataset = dcmread(path)
    for tag, value in tags.items():
        dataset.add_new(tag, "OW" if tag.endswith("Data") else "US", value)
    dataset.save_as(path)
    expected = np.stack([table[GREY] / 65535 for table in tables.values()])
    np.testing.assert_allclose(read(only(tmp_path)), expected, atol=1e-6)


def test_every_frame_is_a_picture_with_a_name_of_its_own(tmp_path):
    frames = np.stack([np.roll(COLOURED, shift, axis=0) for shift in (0, 5, 9)])
    write(tmp_path, GREY, number=2)
    write(tmp_path, frames, number=1, photometric="RGB", frames=3)
    cases = ultrasound_cases(tmp_path)
    assert [case["case"][-13:] for case in cases[:3]] == ["001_frame_001", "001_frame_002", "001_frame_003"]
    assert cases[3]["case"].endswith("_002")
    for case, frame in zip(cases, frames):
        np.testing.assert_allclose(read(case), np.moveaxis(frame, -1, 0) / 255, atol=1e-6)
    assert [note(case)["frame"] for case in cases] == [1, 2, 3, 1]
    assert [note(case)["frames"] for case in cases] == [3, 3, 3, 1]


def test_compressed_frames(tmp_path):
    frames = np.stack([GREY, 255 - GREY])
    path = write(tmp_path, frames, number=1, frames=2)
    dataset = dcmread(path)
    dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.save_as(path)
    for case, frame in zip(ultrasound_cases(tmp_path), frames):
        np.testing.assert_allclose(read(case)[0], frame / 255, atol=1e-6)


def test_a_jpeg_is_read_as_pillow_reads_it(tmp_path):
    path = write(tmp_path, COLOURED, photometric="YBR_FULL_422")
    content = io.BytesIO()
    Image.fromarray(COLOURED).save(content, "JPEG", quality=90)
    dataset = dcmread(path)
    dataset.PixelData = encapsulate([content.getvalue()])
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.save_as(path)
    expected = np.moveaxis(np.asarray(Image.open(content)), -1, 0) / 255
    np.testing.assert_allclose(read(only(tmp_path)), expected, atol=3 / 255)


def test_outside_of_the_regions_the_picture_is_black(tmp_path):
    write(tmp_path, np.full_like(GREY, 200), regions=[((10, 8, 59, 47), 1, 3), ((70, 8, 90, 47), 3, 4)])
    picture = read(only(tmp_path))
    assert (picture[:, 8:48, 10:60] == np.float32(200 / 255)).all()
    assert picture.sum() == pytest.approx(3 * 40 * 50 * 200 / 255, rel=1e-5)


def test_areas_follow_the_regions(tmp_path):
    """0.01 cm x 0.02 cm are 0.1 mm x 0.2 mm: 0.02 mm2."""
    write(tmp_path, GREY, regions=[((10, 8, 59, 47),), ((60, 8, 95, 47), 1, 4)])
    given = note(only(tmp_path))
    assert given["regions"][0] == {"rows": [8, 47], "columns": [10, 59], "mm_per_pixel": [0.1, 0.2]}
    assert given["regions"][1]["mm_per_pixel"] is None
    areas = pixel_areas_mm2(given, GREY.shape)
    mask = np.zeros(GREY.shape, dtype=bool)
    assert area_mm2(areas, mask) == 0
    mask[10:20, 10:30] = True
    assert area_mm2(areas, mask) == pytest.approx(200 * 0.02)
    mask[10, 60] = True
    assert area_mm2(areas, mask) is None


def test_without_regions_the_spacing_of_the_pixels_counts(tmp_path):
    write(tmp_path, GREY, PixelSpacing=[0.2, 0.1])
    areas = pixel_areas_mm2(note(only(tmp_path)), GREY.shape)
    np.testing.assert_allclose(areas, 0.02)
    assert note(only(tmp_path))["mm_per_pixel"] == [0.1, 0.2]


def test_burned_in_text_is_noted_and_said_where_no_region_hides_it(tmp_path, caplog):
    write(tmp_path, GREY, number=1, BurnedInAnnotation="YES")
    write(tmp_path, GREY, number=2, BurnedInAnnotation="NO")
    write(tmp_path, GREY, number=3, regions=[((10, 8, 59, 47),)], BurnedInAnnotation="YES")
    write(tmp_path, GREY, number=4)
    cases = ultrasound_cases(tmp_path)
    assert [note(case)["burned_in_annotation"] for case in cases] == ["YES", "NO", "YES", "not said"]
    assert "2 of 4 images may show the patient's name" in caplog.text


def test_other_images_are_left_out_with_a_warning(tmp_path, caplog):
    write(tmp_path, GREY, number=1)
    write(tmp_path, GREY, number=2, regions=[((10, 8, 59, 47), 3)])
    write(tmp_path, GREY, number=3, SOPClassUID="1.2.840.10008.5.1.4.1.1.6.2")
    write(tmp_path, GREY, number=4, modality="MG")
    (tmp_path / "report.txt").write_text("text")
    assert only(tmp_path)["image"].endswith("1.dcm")
    assert "2.dcm: shows no 2D region, but M-mode or a spectrum and is left out" in caplog.text
    assert "3.dcm: is a volume and is left out" in caplog.text


def test_nothing_that_is_shown_holds_data_of_the_patient(tmp_path, caplog):
    write(tmp_path, GREY)
    with caplog.at_level(logging.DEBUG):
        case = only(tmp_path)
        read(case)
    shown = caplog.text + case["case"] + case["dicom"]
    assert not [word for word in (*NAME.split("^"), ID, "19500101") if word.lower() in shown.lower()]


def test_what_is_no_study_of_ultrasound(tmp_path):
    with pytest.raises(InputError, match="no such folder; give the folder of a DICOM study with --dicom_dir"):
        ultrasound_cases(tmp_path / "none")
    write(tmp_path, GREY, modality="MG")
    with pytest.raises(InputError, match="holds no ultrasound images, only MG"):
        ultrasound_cases(tmp_path)
    write(tmp_path, GREY, number=2, regions=[((0, 0, 9, 9), 2)])
    with pytest.raises(InputError, match="none of its 1 ultrasound images is a 2D picture"):
        ultrasound_cases(tmp_path)
    change(tmp_path / "2.dcm", PatientID="other")
    with pytest.raises(InputError, match="holds files of 2 patients"):
        ultrasound_cases(tmp_path)


def test_frames_that_cannot_be_decoded_are_one_line(tmp_path):
    path = write(tmp_path, GREY)
    dataset = dcmread(path)
    dataset.PixelData = encapsulate([b"\xff\xd8 no picture"])
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.save_as(path)
    with pytest.raises(InputError, match=r"1\.dcm: frame 1 cannot be read") as refused:
        read(only(tmp_path))
    assert "\n" not in str(refused.value)


def test_pictures_or_a_study(tmp_path):
    write(tmp_path / "study", GREY)
    Image.fromarray(GREY).save(tmp_path / "one.png")
    assert find_pictures_or_study(tmp_path / "one.png", ["normal"], None, None)[0]["case"] == "one"
    assert find_pictures_or_study("", ["normal"], None, tmp_path / "study") == ultrasound_cases(tmp_path / "study")
    with pytest.raises(InputError, match="--dicom_dir and --dataset_dir or --cases_file are both given"):
        find_pictures_or_study("data", ["normal"], None, tmp_path / "study")
