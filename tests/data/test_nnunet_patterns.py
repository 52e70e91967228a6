"""The folders of nnU-Net, with and without names for their channels."""

import ast
from pathlib import Path

import pytest
from case_files import touch, write_listing

from shared.data import find_mri_cases
from shared.errors import InputError

NAMES = {"0": "T1", "1": "T1-CE", "2": "T2w", "3": "FLAIR"}


def nnunet_folder(root, ending=".nii.gz", **described):
    images = [f"{part}/P{case}_{n:04d}{ending}" for part, case in (("imagesTr", 1), ("imagesTs", 9)) for n in range(4)]
    touch(root, *images, f"labelsTr/P1{ending}")
    if described:
        write_listing(root, **described)
    return root


@pytest.mark.parametrize(
    ("ending", "described"),
    [
        (".nii.gz", {"channel_names": NAMES, "labels": {"background": 0}, "numTraining": 1, "file_ending": ".nii.gz"}),
        (".nrrd", {"channel_names": NAMES, "numTraining": 1, "file_ending": ".nrrd"}),
        (
            ".nii.gz",
            {"modality": NAMES, "training": [{"image": "./imagesTr/P1.nii.gz", "label": "./labelsTr/P1.nii.gz"}]},
        ),
    ],
)
def test_cases_of_both_versions_are_found_by_the_names_of_their_channels(tmp_path, ending, described):
    root = nnunet_folder(tmp_path / "Dataset001", ending, **described)
    for layout in ("brats2021", "msd"):  # the advice is the layout that works
        with pytest.raises(InputError, match=r"2 cases would fit another: use --layout nnunet\."):
            find_mri_cases(root, ["flair", "t1ce"], layout)
    first, last = find_mri_cases(root, ["flair", "t1ce"], "nnunet")
    assert (first["case"], last["case"]) == ("P1", "P9")
    assert Path(first["t1ce"]).name == f"P1_0001{ending}"
    (labelled,) = find_mri_cases(root, ["flair", "t1ce"], "nnunet", needs_label=True)
    assert labelled["label"] == str(root / f"labelsTr/P1{ending}")
    (test,) = find_mri_cases(root / "imagesTs", ["flair"], "nnunet")  # beside dataset.json
    assert test["flair"] == str(root / f"imagesTs/P9_0003{ending}")


@pytest.mark.parametrize("described", [{}, {"channel_names": {"0": "noNorm", "1": "b", "2": "c", "3": "d"}}])
def test_without_names_a_pattern_that_fits_is_advised(tmp_path, described):
    root = nnunet_folder(tmp_path, **described)
    with pytest.raises(InputError, match=r"1 cases are numbered as in nnU-Net \(channels 0, 1, 2, 3\)") as error:
        find_mri_cases(root, ["flair"], needs_label=True)
    pattern = ast.literal_eval(str(error.value).split('"')[1])
    (case,) = find_mri_cases(root, ["flair"], pattern, needs_label=True)
    assert case["label"] == str(root / "labelsTr/P1.nii.gz")
    if described:
        with pytest.raises(InputError, match=r"'flair': .* names no such channel, only nonorm, b, c, d; .*numbered"):
            find_mri_cases(root, ["flair"], "nnunet")


def test_above_or_below_the_folder_with_the_listing_that_folder_is_advised(tmp_path):
    root = nnunet_folder(tmp_path / "Dataset001_X", channel_names={"0": "T1", "1": "T1ce", "2": "T2", "3": "FLAIR"})
    with pytest.raises(InputError, match=rf"{root} holds a dataset.json: give that folder with --dataset_dir\.$"):
        find_mri_cases(tmp_path, ["flair"], "nnunet")
    with pytest.raises(InputError, match=rf"imagesTr: holds images without labels; give {root} with --dataset_dir\.$"):
        find_mri_cases(root / "imagesTr", ["flair"], "nnunet", needs_label=True)


def test_two_channels_of_one_modality_are_refused(tmp_path):
    nnunet_folder(tmp_path, channel_names={"0": "T1", "1": "t1w", "2": "T2", "3": "FLAIR"})
    with pytest.raises(InputError, match=r"not as in nnU-Net \(ValueError: two channels are called t1\)"):
        find_mri_cases(tmp_path, ["flair"], "nnunet")
