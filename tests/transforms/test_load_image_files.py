"""Which files are images, and which are refused in one line."""

import gzip
import os
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.transforms import LoadImage
from random_volume import VOLUME

from shared.errors import InputError
from shared.transforms import LoadImageModalitiesd


@pytest.mark.parametrize("suffix", [".NII", ".NII.GZ", ".nii.GZ", ".Nii", ".Nii.Gz", ".MHA", ".NRRD", ".MGZ"])
def test_an_image_is_read_whatever_the_case_of_its_suffix(tmp_path, oblique, write_nifti, suffix):
    """nibabel reads no .Nii, ITK no .MHA."""
    small = tmp_path / f"written{suffix.lower()}"
    if "nii" in suffix.lower():
        write_nifti(small, VOLUME, oblique)
    elif suffix == ".MGZ":
        nibabel.save(nibabel.MGHImage(VOLUME, oblique), small)
    else:
        itk = pytest.importorskip("itk")
        itk.imwrite(itk.image_from_array(VOLUME), str(small))
    reader = "NibabelReader" if suffix == ".MGZ" else None
    expected = LoadImage(reader, ensure_channel_first=True)(small)
    scan = small.rename(tmp_path / f"My.Scan{suffix}")
    loaded = LoadImageModalitiesd("flair", extent_mm=(1, 1000))({"image": str(scan)})
    assert loaded["case"] == "My.Scan"
    assert loaded["flair"].meta["filename_or_obj"] == str(scan)
    torch.testing.assert_close(loaded["flair"].as_tensor(), expected.as_tensor())
    np.testing.assert_allclose(loaded["flair"].affine, expected.affine)


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


def test_what_is_no_image_at_all_is_named_in_one_line(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "folder").mkdir()
    for name in ("notes.txt", "folder"):
        with pytest.raises(InputError, match=f"{name}: cannot be read as an image") as error:
            LoadImageModalitiesd("flair")({"image": str(tmp_path / name)})
        assert "\n" not in str(error.value)


def test_running_out_of_memory_is_not_the_files_fault(tmp_path, write_nifti, monkeypatch):
    def fail(self, *args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(LoadImage, "__call__", fail)
    with pytest.raises(MemoryError):
        LoadImageModalitiesd("flair")({"flair": write_nifti(tmp_path / "a.nii", VOLUME)})


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
