import gzip
import os
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import LoadImage, MapTransform

from shared.errors import InputError
from shared.transforms import LoadImageModalitiesd

ALL = ["t1", "t1ce", "t2", "flair"]


@pytest.fixture
def volume():
    return np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)


@pytest.fixture
def four_channels(tmp_path, write_nifti):
    """A 4D file whose channels hold 0, 1, 2, 3."""
    return write_nifti(tmp_path / "B_1.nii.gz", np.broadcast_to(np.arange(4.0), (5, 4, 3, 4)).astype(np.float32))


@pytest.fixture
def count_reads(monkeypatch):
    read, calls = LoadImage.__call__, []
    monkeypatch.setattr(
        LoadImage, "__call__", lambda self, path, **kwargs: calls.append(path) or read(self, path, **kwargs)
    )
    return calls


def test_reads_each_modality_that_is_there(write_case, oblique):
    item = write_case(modalities=["t2", "flair"], affine=oblique, label=False)
    loaded = LoadImageModalitiesd(ALL)({**item, "note": [1, 2], "t1": None})
    assert set(loaded) == {"case", "patient", "t2", "flair", "note"}
    for name in ("t2", "flair"):
        expected = LoadImage(image_only=True)(item[name])
        torch.testing.assert_close(loaded[name][0].as_tensor(), expected.as_tensor())
        assert loaded[name].shape[0] == 1
        assert loaded[name].dtype == torch.float32
        np.testing.assert_allclose(loaded[name].affine, oblique)
    assert loaded["note"] == [1, 2]
    assert isinstance(item["flair"], str)  # the input stays as it was


def test_channels_of_a_4d_file_by_number_read_once(four_channels, count_reads):
    item = {"t1ce": [four_channels, 2], "flair": [four_channels, 0], "case": "c"}
    loaded = LoadImageModalitiesd(["flair", "t1ce"])(item)
    assert (loaded["flair"].unique().item(), loaded["t1ce"].unique().item()) == (0, 2)
    assert loaded["flair"].shape == loaded["t1ce"].shape == (1, 5, 4, 3)
    assert len(count_reads) == 1
    assert loaded["case"] == "c"


def test_a_4d_image_is_taken_apart_in_the_order_of_the_modalities(four_channels):
    loaded = LoadImageModalitiesd(["flair", "t1", "t1ce", "t2"])({"image": four_channels, "image_path": four_channels})
    assert "image" not in loaded
    assert [loaded[name].unique().item() for name in ("flair", "t1", "t1ce", "t2")] == [0, 1, 2, 3]
    assert loaded["case"] == "B_1"
    assert loaded["image_path"] == four_channels


def test_one_3d_image_for_one_modality(tmp_path, volume, write_nifti):
    loaded = LoadImageModalitiesd("flair")({"image": write_nifti(tmp_path / "my.head.nii", volume)})
    np.testing.assert_array_equal(loaded["flair"][0], volume)
    assert loaded["case"] == "my.head"


def test_only_modality_says_what_an_unnamed_volume_is(tmp_path, volume, write_nifti, four_channels):
    file = write_nifti(tmp_path / "scan.nii.gz", volume)
    loaded = LoadImageModalitiesd(ALL, only_modality="t1ce")({"image": file})
    assert set(loaded) == {"t1ce", "case"}
    np.testing.assert_array_equal(loaded["t1ce"][0], volume)
    assert set(LoadImageModalitiesd(ALL, only_modality="t1ce")({"image": four_channels})) == {*ALL, "case"}
    with pytest.raises(InputError, match="only_modality: expected one of t1, t1ce, t2, flair, or None, got 't1c'"):
        LoadImageModalitiesd(ALL, only_modality="t1c")


@pytest.mark.parametrize("suffix", [".NII", ".NII.GZ", ".nii.GZ", ".Nii", ".Nii.Gz", ".MHA", ".NRRD", ".MGZ"])
def test_suffixes_in_capitals(tmp_path, volume, oblique, write_nifti, suffix):
    """nibabel reads no .Nii, ITK no .MHA."""
    small = tmp_path / f"written{suffix.lower()}"
    if "nii" in suffix.lower():
        write_nifti(small, volume, oblique)
    elif suffix == ".MGZ":
        nibabel.save(nibabel.MGHImage(volume, oblique), small)
    else:
        itk = pytest.importorskip("itk")
        itk.imwrite(itk.image_from_array(volume), str(small))
    reader = "NibabelReader" if suffix == ".MGZ" else None
    expected = LoadImage(reader, ensure_channel_first=True)(small)
    scan = small.rename(tmp_path / f"My.Scan{suffix}")
    loaded = LoadImageModalitiesd("flair", extent_mm=(1, 1000))({"image": str(scan)})
    assert loaded["case"] == "My.Scan"
    assert loaded["flair"].meta["filename_or_obj"] == str(scan)
    torch.testing.assert_close(loaded["flair"].as_tensor(), expected.as_tensor())
    np.testing.assert_allclose(loaded["flair"].affine, expected.affine)


def test_a_list_of_files_one_per_modality(write_case):
    item = write_case(label=False)
    loaded = LoadImageModalitiesd(ALL)({"image": [item["t1"], None, item["t2"], item["flair"]]})
    assert set(loaded) == {"case", "t1", "t2", "flair"}
    assert [loaded[name].meta["filename_or_obj"] for name in ("t1", "t2")] == [item["t1"], item["t2"]]


def test_mask_and_label_on_request(tmp_path, volume, write_nifti):
    files = {
        name: write_nifti(tmp_path / f"{name}.nii.gz", (volume > 0).astype(np.uint8)) for name in ("brain", "label")
    }
    item = {"flair": write_nifti(tmp_path / "f.nii.gz", volume), **files}
    assert isinstance(LoadImageModalitiesd("flair")(item)["label"], str)
    loaded = LoadImageModalitiesd("flair", extra_keys=["brain", "label"])(item)
    assert loaded["brain"].shape == loaded["label"].shape == (1, 5, 4, 3)
    assert loaded["case"] == "f"


def test_tensors_are_left_alone(volume):
    image = torch.from_numpy(volume)
    assert LoadImageModalitiesd(ALL)({"image": image})["image"] is image
    assert LoadImageModalitiesd(ALL)({"flair": volume, "brain": image})["flair"] is volume


def test_monai_deploy_takes_it_for_a_loader_of_dictionaries():
    assert "LoadImage" in LoadImageModalitiesd.__name__
    assert issubclass(LoadImageModalitiesd, MapTransform)


def damaged(content, kind):
    """Damage a compressed file; return what is left of it and a name."""
    if kind == "cut":
        return content[: len(content) // 2], "damaged.nii.gz"
    if kind == "cut, not compressed":
        return gzip.decompress(content)[:5000], "damaged.nii"
    if kind == "overwritten in the middle":
        return content[:3000] + bytes(100) + content[3100:], "damaged.nii.gz"
    if kind == "a web page":
        return b"<html>404 not found</html>", "damaged.nii.gz"
    return b"", "damaged.nii" if kind == "empty, not compressed" else "damaged.nii.gz"


KINDS = ["cut", "cut, not compressed", "overwritten in the middle", "a web page", "empty", "empty, not compressed"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_named_in_one_line(tmp_path, write_nifti, kind):
    whole = write_nifti(
        tmp_path / "whole.nii.gz", np.random.default_rng(0).integers(9, size=(20, 20, 20), dtype=np.int16)
    )
    content, name = damaged(Path(whole).read_bytes(), kind)
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be read as an image, .*copy it again or leave the case out") as error:
        LoadImageModalitiesd("flair")({"flair": str(path)})
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_what_is_no_image_at_all(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "folder").mkdir()
    for name in ("notes.txt", "folder"):
        with pytest.raises(InputError, match=f"{name}: cannot be read as an image") as error:
            LoadImageModalitiesd("flair")({"image": str(tmp_path / name)})
        assert "\n" not in str(error.value)


def test_running_out_of_memory_is_not_the_files_fault(tmp_path, volume, write_nifti, monkeypatch):
    def fail(self, *args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(LoadImage, "__call__", fail)
    with pytest.raises(MemoryError):
        LoadImageModalitiesd("flair")({"flair": write_nifti(tmp_path / "a.nii", volume)})


def test_refuses_what_does_not_fit(tmp_path, four_channels, volume, write_nifti):
    flat = write_nifti(tmp_path / "flat.nii.gz", volume[..., 0])
    three = write_nifti(tmp_path / "three.nii.gz", volume)
    first = write_nifti(tmp_path / "first.nii.gz", np.stack([volume] * 4))
    phase = write_nifti(tmp_path / "phase.nii.gz", volume.astype(np.complex64))
    cases = [
        (
            ["flair"],
            {"image": four_channels},
            r"has 4 channels, but one modality .*\[\{'flair': \['.*B_1.nii.gz', CHANNEL",
        ),
        (
            ALL,
            {"image": three},
            r"three.nii.gz: has 1 channel, but 4 modalities .* say which one it is: --datalist "
            r"\"\[\{'NAME': '.*three.nii.gz'\}\]\" with NAME one of t1, t1ce, t2, flair, or --only_modality NAME\.",
        ),
        (ALL, {"image": [three, three]}, "image: 2 files for 4 modalities"),
        (ALL, {"flair": four_channels}, "has 4 channels, but one 3D image is expected as flair"),
        (ALL, {"flair": [four_channels, 4]}, "has no channel 4 for flair, only 0 to 3"),
        (ALL, {"flair": 7}, r"flair: expected a path or \[path, channel\], got 7"),
        (ALL, {"image": 7}, "image: expected a path or a list of paths, got 7"),
        (ALL, {"flair": str(tmp_path / "no.nii")}, "no.nii: no such file"),
        (ALL, {"flair": flat}, "a 3D image is expected .*, this one is 2D"),
        (ALL, {"image": first}, r"first.nii.gz: has shape 4 x \d+ x .*, with the modalities on the first axis; store"),
        (ALL, {"flair": phase}, "phase.nii.gz: holds complex64 values, but one number per voxel is expected"),
    ]
    for modalities, item, text in cases:
        with pytest.raises(InputError, match=text):
            LoadImageModalitiesd(modalities)(item)


@pytest.fixture
def dicom_series():
    if "SEGMENTATION_DATA" not in os.environ:
        pytest.skip("SEGMENTATION_DATA is not set: no real data here")
    (series,) = Path(os.environ["SEGMENTATION_DATA"]).glob("prostate_dicom/*/*t2tsetra*")
    return series


def test_a_dicom_folder_is_one_image(dicom_series):
    loaded = LoadImageModalitiesd(["t2", "adc"])({"t2": str(dicom_series)})
    assert loaded["t2"].shape == (1, 384, 384, 19)
    assert loaded["t2"].pixdim.tolist() == pytest.approx([0.5, 0.5, 3], abs=1e-3)
    assert loaded["case"] == dicom_series.name


def test_a_dicom_folder_with_a_gap_or_two_series_is_refused(dicom_series, tmp_path, capfd):
    shutil.copytree(dicom_series, tmp_path / "series")
    sorted((tmp_path / "series").iterdir())[9].unlink()
    with pytest.raises(InputError, match=r"series: slices are missing or unevenly spaced \(steps of 3 to 6 mm\)"):
        LoadImageModalitiesd("t2")({"t2": str(tmp_path / "series")})
    (coronal,) = dicom_series.parent.glob("*t2tsecor*")
    shutil.copy(next(coronal.iterdir()), tmp_path / "series" / "another.dcm")
    with pytest.raises(InputError, match="series: holds more than one DICOM series"):
        LoadImageModalitiesd("t2")({"t2": str(tmp_path / "series")})


def test_the_copy_of_a_channel_is_a_metatensor(four_channels):
    flair = LoadImageModalitiesd(ALL)({"image": four_channels})["flair"]
    assert isinstance(flair, MetaTensor)
    assert flair.meta["filename_or_obj"] == four_channels


AXES = {  # shape in the file: channels that are read
    (5, 4, 3, 1): 1,
    (5, 4, 3, 1, 1): 1,
    (5, 4, 3, 1, 2): 2,
    (5, 4, 3, 2, 1): 2,
    (5, 4, 3, 1, 2, 1): 2,
}


@pytest.mark.parametrize(("shape", "channels"), AXES.items())
def test_axes_of_one_after_the_third_are_dropped(tmp_path, write_nifti, shape, channels):
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    names = ["t1", "t2"][:channels]
    path = tmp_path / "a.nii.gz"
    image = nibabel.Nifti1Image(array, np.diag([20.0, 20, 20, 1]))
    image.header.set_intent("vector" if channels > 1 else "none")
    nibabel.save(image, path)
    loaded = LoadImageModalitiesd(names)({"image": str(path)})
    for channel, name in enumerate(names):
        np.testing.assert_array_equal(loaded[name][0], array.reshape(5, 4, 3, channels)[..., channel])
    if channels == 1:  # labels and masks too
        mask = LoadImageModalitiesd("t1", extra_keys=["label"])({"t1": str(path), "label": str(path)})["label"]
        assert mask.shape == (1, 5, 4, 3)


def test_two_axes_after_the_third_and_slices_as_channels(tmp_path, volume, write_nifti):
    six = write_nifti(tmp_path / "six.nii.gz", np.zeros((5, 4, 3, 6, 2), np.float32))
    with pytest.raises(InputError, match=r"six.nii.gz: has shape 5 x 4 x 3 x 6 x 2, more than one axis after"):
        LoadImageModalitiesd("t1")({"t1": six})
    slices = write_nifti(tmp_path / "slices.nii.gz", volume[:, :, None, :])
    for item in ({"t1": slices}, {"image": slices}):
        with pytest.raises(InputError, match=r"Its shape is 5 x 4 x 1 x 3: if these are slices, store them on"):
            LoadImageModalitiesd("t1")(item)


@pytest.mark.parametrize(("unit", "scale"), [("meter", 1e-3), ("mm", 1), ("micron", 1e3), ("unknown", 1)])
def test_the_unit_of_the_header_counts(tmp_path, volume, oblique, unit, scale):
    scaled = np.diag([scale, scale, scale, 1]) @ np.diag([10, 10, 10, 1]) @ oblique
    image = nibabel.Nifti1Image(volume, scaled)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "a.nii.gz")
    loaded = LoadImageModalitiesd("t1")({"t1": str(tmp_path / "a.nii.gz")})["t1"]
    np.testing.assert_allclose(loaded.affine, np.diag([10, 10, 10, 1]) @ oblique, rtol=1e-5)
    np.testing.assert_allclose(loaded.meta["original_affine"], loaded.affine)


@pytest.mark.parametrize(
    ("voxel_mm", "measures"), [(6.8, "34 x 27.2 x 20.4"), (300, "1500 x 1200 x 900"), (0, "0 x 0 x 0")]
)
def test_another_size_than_a_body_has_is_refused_with_its_numbers(tmp_path, volume, voxel_mm, measures):
    """Centimetres, inches or voxels without a size, by a header that says nothing or millimetres."""
    path = tmp_path / "a.nii.gz"
    image = nibabel.Nifti1Image(volume, np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0]) if voxel_mm else None)
    image.header["pixdim"][1:4] = voxel_mm
    nibabel.save(image, path)
    text = rf"a.nii.gz: measures {measures} mm by its header, .* should be 35 to 1000 mm; correct voxel size and unit"
    with pytest.raises(InputError, match=text if voxel_mm else "a.nii.gz"):
        LoadImageModalitiesd("t1")({"t1": str(path)})
    if voxel_mm:
        LoadImageModalitiesd("t1", extent_mm=(1, 2000))({"t1": str(path)})
