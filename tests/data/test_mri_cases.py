import ast
import json
import os
from pathlib import Path

import pytest

from shared.data import find_mri_cases, split_cases
from shared.errors import InputError

ALL = ["t1", "t1ce", "t2", "flair"]
FREE = {"flair": "{case}/Flair_*.nii.gz", "brain": "{case}/mask.nii.gz", "label": "{case}/truth[.v2].nii.gz"}


def touch(root, *names):
    for name in names:
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def write_listing(root, **described):
    Path(root).mkdir(parents=True, exist_ok=True)
    Path(root, "dataset.json").write_text(json.dumps(described))


@pytest.fixture
def brats2021(tmp_path):
    """One case deep and compressed, one flat and not, one with T2 alone; and what macOS leaves behind."""
    touch(
        tmp_path, *[f"HGG/a/a_{name}.nii.gz" for name in (*ALL, "seg")], "HGG/a/._a_flair.nii.gz", ".trash/d_flair.nii"
    )
    touch(tmp_path, "b_flair.nii", "b_seg.nii", "LGG/c/c_t2.nii.gz", "readme.txt", "HGG/a/a_flair_pred.nii.gz")
    return tmp_path


def test_brats_to_2021_in_any_folder_with_or_without_gz(brats2021):
    first, second = find_mri_cases(brats2021, ["flair", "t1"], needs_label=True)
    assert list(first) == ["case", "patient", "flair", "t1", "label"]
    assert first["case"] == first["patient"] == "a"
    assert first["flair"] == str(brats2021 / "HGG/a/a_flair.nii.gz")
    assert second == {
        "case": "b",
        "patient": "b",
        "flair": str(brats2021 / "b_flair.nii"),
        "label": str(brats2021 / "b_seg.nii"),
    }


def test_the_t1_of_a_case_is_not_its_t1ce(brats2021):
    (case,) = find_mri_cases(brats2021 / "HGG", "t1")
    assert case["t1"].endswith("a_t1.nii.gz")
    assert "t1ce" not in case


def test_a_case_without_any_wanted_modality_is_left_out_with_a_word(brats2021, caplog):
    assert [case["case"] for case in find_mri_cases(brats2021, ["t2"])] == ["a", "c"]
    assert "1 of 3 cases have none of t2" in caplog.text


def test_brats_2023_with_time_points_of_one_patient(tmp_path):
    for case in ("BraTS-GLI-00005-000", "BraTS-GLI-00005-001", "BraTS-MET-00086-000", "mine-001"):
        touch(tmp_path, *[f"{case}/{case}-{ending}.nii.gz" for ending in ("t1n", "t1c", "t2w", "t2f", "seg")])
    cases = find_mri_cases(tmp_path, ALL, layout="brats2023", needs_label=True)
    assert [case["patient"] for case in cases] == ["BraTS-GLI-00005"] * 2 + ["BraTS-MET-00086", "mine-001"]
    assert [Path(cases[0][name]).name[20:] for name in ALL] == [f"{end}.nii.gz" for end in ("t1n", "t1c", "t2w", "t2f")]


@pytest.mark.parametrize(
    ("case", "patient"),
    [
        ("Brats18_2013_0_1", "Brats18_2013_0"),
        ("Brats17_TCIA_105_2", "Brats17_TCIA_105"),
        ("BraTS19_CBICA_AAB_1", "BraTS19_CBICA_AAB"),
        ("BraTS20_Training_001", "BraTS20_Training_001"),
        ("BraTS2021_00000", "BraTS2021_00000"),
        ("phantom_1", "phantom_1"),
    ],
)
def test_patient_of_the_older_names(tmp_path, case, patient):
    touch(tmp_path, f"{case}_flair.nii.gz")
    assert find_mri_cases(tmp_path, ["flair"])[0]["patient"] == patient


def test_free_patterns(tmp_path):
    for case in ("p1_visit1", "p1_visit2"):
        touch(
            tmp_path,
            f"{case}/Flair_z.nii.gz",
            f"{case}/mask.nii.gz",
            f"{case}/T1_z.nii.gz",
            f"deeper/{case}/mask.nii.gz",
        )
    touch(tmp_path, "p1_visit1/truth.nii.gz", "p1_visit2/truth.v2.nii.gz")
    cases = find_mri_cases(tmp_path, ["flair"], FREE, needs_label=True, patient_pattern=r"(.+)_visit\d")
    assert [list(case) for case in cases] == [["case", "patient", "flair", "label", "brain"]] * 2
    assert [case["patient"] for case in cases] == ["p1", "p1"]
    assert cases[1]["label"] == str(tmp_path / "p1_visit2/truth.v2.nii.gz")


def test_double_star_and_a_repeated_case_name(tmp_path):
    touch(tmp_path, "x/y/k/k.nii.gz", "k/k.nii.gz.txt", "x/k/other.nii.gz")
    (case,) = find_mri_cases(tmp_path, ["t2"], {"t2": "**/{case}/{case}.nii.gz"})
    assert case == {"case": "k", "patient": "k", "t2": str(tmp_path / "x/y/k/k.nii.gz")}


def test_a_pattern_with_a_slash_at_the_end_names_a_dicom_folder(tmp_path):
    touch(tmp_path, "P-0/4.0-t2tsetra-702/1.dcm", "P-0/7.0-ADC-48/1.dcm", "P-0/notes-t2tsetra.txt")
    (case,) = find_mri_cases(tmp_path, ["t2", "adc"], {"t2": "{case}/*-t2tsetra-*/", "adc": "{case}/*-ADC-*/"})
    assert (case["t2"], case["adc"]) == (str(tmp_path / "P-0/4.0-t2tsetra-702"), str(tmp_path / "P-0/7.0-ADC-48"))


def test_the_folder_of_one_case_will_do(brats2021, tmp_path, monkeypatch):
    assert [case["case"] for case in find_mri_cases(brats2021 / "HGG/a", ["flair"])] == ["a"]
    touch(tmp_path, "q/Flair_z.nii.gz")
    expected = [{"case": "q", "patient": "q", "flair": str(tmp_path / "q/Flair_z.nii.gz")}]
    assert find_mri_cases(tmp_path / "q", ["flair"], FREE) == expected
    monkeypatch.chdir(tmp_path / "q")
    assert find_mri_cases(".", ["flair"], FREE)[0] == {"case": "q", "patient": "q", "flair": "Flair_z.nii.gz"}


def test_a_single_image(tmp_path):
    touch(tmp_path, "head.1.nii.gz")
    path = tmp_path / "head.1.nii.gz"
    assert find_mri_cases(path, ["flair"]) == [{"case": "head.1", "patient": "head.1", "image": str(path)}]
    with pytest.raises(InputError, match="one image has no label"):
        find_mri_cases(path, ["flair"], needs_label=True)


def test_links_are_followed_but_not_in_circles(tmp_path):
    touch(tmp_path, "store/a_flair.nii")
    (tmp_path / "data").mkdir()
    os.symlink(tmp_path / "store", tmp_path / "data/linked")
    os.symlink(tmp_path / "data", tmp_path / "store/back")
    assert [case["flair"] for case in find_mri_cases(tmp_path / "data", ["flair"])] == [
        str(tmp_path / "data/linked/a_flair.nii")
    ]


def test_msd(tmp_path):
    touch(tmp_path, *[f"{folder}/B_1.nii.gz" for folder in ("imagesTr", "labelsTr")], "imagesTr/._B_2.nii.gz")
    touch(tmp_path, "imagesTs/B_9.nii.gz")
    write_listing(
        tmp_path,
        modality={"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
        training=[
            {"image": "./imagesTr/B_1.nii.gz", "label": "./labelsTr/B_1.nii.gz"},
            {"image": "./imagesTr/._B_2.nii.gz", "label": "./labelsTr/._B_2.nii.gz"},
            {"image": "./imagesTr/not_copied.nii.gz", "label": "./labelsTr/not_copied.nii.gz"},
        ],
        test=["./imagesTs/B_9.nii.gz"],
    )
    image = str(tmp_path / "imagesTr/B_1.nii.gz")
    expected = {"case": "B_1", "patient": "B_1", "t1ce": [image, 2], "flair": [image, 0]}
    expected["label"] = str(tmp_path / "labelsTr/B_1.nii.gz")
    assert find_mri_cases(tmp_path, ["t1ce", "flair"], "msd", needs_label=True) == [expected]
    assert [case["case"] for case in find_mri_cases(tmp_path, ["flair"], "msd")] == ["B_1", "B_9"]
    with pytest.raises(InputError, match=r"modality 'adc': .*dataset.json names no such channel, only flair, t1, t1ce"):
        find_mri_cases(tmp_path, ["adc"], "msd")


def test_msd_with_channel_names(tmp_path):
    touch(tmp_path, "imagesTr/p.nii.gz")
    write_listing(tmp_path, channel_names={"0": "T2", "1": "ADC"}, training=[{"image": "imagesTr/p.nii.gz"}])
    assert find_mri_cases(tmp_path, ["adc"], "msd")[0]["adc"] == [str(tmp_path / "imagesTr/p.nii.gz"), 1]


@pytest.mark.parametrize("described", [{"modality": {"0": "T2"}}, {"training": []}, {"modality": 3, "training": []}])
def test_a_listing_that_is_none(tmp_path, described):
    write_listing(tmp_path, **described)
    with pytest.raises(InputError, match=r"dataset.json: not as in the Medical Segmentation Decathlon .*\"training\""):
        find_mri_cases(tmp_path, ["t2"], "msd")


def test_no_such_folder(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such folder; give .* --dataset_dir"):
        find_mri_cases(tmp_path / "nowhere", ["flair"])
    with pytest.raises(InputError, match=r"dataset_dir is not given; give .* --dataset_dir"):
        find_mri_cases("", ["flair"])  # which would be the working directory


@pytest.mark.parametrize("layout", ["brats2021", "brats2023", "msd", FREE])
def test_an_empty_folder(tmp_path, layout):
    with pytest.raises(InputError, match=r"the folder is empty; give .* --dataset_dir"):
        find_mri_cases(tmp_path, ["flair"], layout)


def test_says_which_other_layout_fits(brats2021, tmp_path):
    with pytest.raises(InputError, match=r"no case of layout brats2023 found \(looked for .*t2f.*\); 2 cases would"):
        find_mri_cases(brats2021, ["flair"], "brats2023")
    with pytest.raises(InputError, match="use --layout brats2021"):
        find_mri_cases(brats2021, ["flair"], FREE)
    with pytest.raises(InputError, match=r"looked for dataset.json .*; 2 cases would fit another: use --layout"):
        find_mri_cases(brats2021, ["flair"], "msd")
    touch(tmp_path / "msd", "imagesTr/B_1.nii.gz")
    listing = {"modality": {"0": "FLAIR"}, "training": [{"image": "imagesTr/B_1.nii.gz"}]}
    write_listing(tmp_path / "msd", **listing)
    with pytest.raises(InputError, match=r"1 case would fit another: use --layout msd"):
        find_mri_cases(tmp_path / "msd", ["flair"])


def test_a_layout_that_finds_nothing_either_is_not_advised(tmp_path):
    touch(tmp_path, "imagesTr/B_1.nii.gz")
    write_listing(tmp_path, modality={"0": "T2"}, training=[{"image": "imagesTr/B_1.nii.gz"}])
    with pytest.raises(InputError, match=r"\); correct --dataset_dir, or give --layout a pattern per modality\.$"):
        find_mri_cases(tmp_path, ["flair"])  # which dataset.json does not name
    touch(tmp_path / "other", "a-t2f.nii.gz")
    with pytest.raises(InputError, match=r"correct --dataset_dir"):
        find_mri_cases(tmp_path / "other", ["flair"], needs_label=True)  # no labels under brats2023


def test_says_what_was_looked_for_where_nothing_fits(tmp_path):
    touch(tmp_path, "photo.jpg")
    with pytest.raises(InputError, match=r"looked for \*\*/\{case\}_flair.nii\[.gz\]\); correct --dataset_dir"):
        find_mri_cases(tmp_path, ["flair"])


def test_cases_without_the_wanted_modalities(tmp_path):
    touch(tmp_path, "a_seg.nii.gz", "a_t1.nii.gz")
    with pytest.raises(InputError, match="1 cases of layout brats2021, but none has t2, flair; correct --dataset_dir"):
        find_mri_cases(tmp_path, ["t2", "flair"])


def test_two_files_for_one_modality(tmp_path):
    touch(tmp_path, "HGG/a_flair.nii.gz", "a_flair.nii")
    with pytest.raises(InputError, match=r"case a has two files for flair, .*a_flair.nii.* and .*; remove one"):
        find_mri_cases(tmp_path, ["flair"])


def test_two_cases_of_one_name_are_not_mixed(tmp_path):
    """a is in two folders which hold the same modalities of others: its t1 and its flair may be of two patients."""
    touch(tmp_path, "one/a_t1.nii", "one/b_t1.nii", "one/b_flair.nii", "two/a_flair.nii", "two/c_flair.nii")
    with pytest.raises(InputError, match=r"case a has files in two folders, .*one/a_t1.nii and .*two/a_flair.nii"):
        find_mri_cases(tmp_path, ["t1", "flair"])
    touch(tmp_path / "per_case", "s1/a/a_t1.nii", "s1/b/b_t1.nii", "s1/b/b_seg.nii", "s2/a/a_seg.nii")
    case = find_mri_cases(tmp_path / "per_case", ["t1"], needs_label=True)[0]
    assert "two folders" in case["unusable"]
    with pytest.raises(InputError, match=r"1 of 1 cases in use cannot be used: case a has files in two folders"):
        split_cases([case], (1, 0, 0))
    assert len(find_mri_cases(tmp_path / "per_case", ["t1"])) == 2  # nobody reads the labels


def test_a_folder_per_modality_is_no_mixture(tmp_path):
    touch(tmp_path, *[f"{key}/{case}_{key}.nii" for case in "ab" for key in ("t1", "flair", "seg")])
    cases = find_mri_cases(tmp_path, ["t1", "flair"], needs_label=True)
    assert [sorted(case) for case in cases] == [["case", "flair", "label", "patient", "t1"]] * 2


def test_two_dicom_folders_of_one_name(tmp_path):
    touch(tmp_path, "P-0/1-ADC/1.dcm", "P-0/2-ADC/1.dcm")
    with pytest.raises(InputError, match=r"case P-0 has two files for adc, .*1-ADC and .*2-ADC"):
        find_mri_cases(tmp_path, ["adc"], {"adc": "{case}/*-ADC/"})


def test_only_cases_in_use_must_be_whole(brats2021, tmp_path):
    """c has no label, d two files for one modality."""
    touch(brats2021, "HGG/d_t2.nii", "HGG/d_t2.nii.gz", "HGG/d_seg.nii", "HGG/e/e_t2.nii", "HGG/e/e_seg.nii")
    cases = find_mri_cases(brats2021, ["t2"], needs_label=True)
    assert [case["case"] for case in cases if "unusable" in case] == ["c", "d"]
    (tmp_path / "train.txt").write_text("a\ne\n")
    split = split_cases(cases, files={"train": tmp_path / "train.txt"})
    assert [case["case"] for case in split["train"]] == ["a", "e"]
    with pytest.raises(InputError, match=r"2 of 4 cases in use cannot be used: case \w .* --split_files"):
        split_cases(cases)
    with pytest.raises(InputError, match="has no pattern for the label"):
        find_mri_cases(brats2021, ["t2"], {"t2": "**/{case}_t2.nii.gz"}, needs_label=True)


@pytest.mark.parametrize(
    ("label", "is_named"),
    [
        ("BraTS20_Training_355/W39_1998.09.19_Segm.nii", True),  # so published
        ("BraTS20_Training_355/BraTS20_Training_355-label.nii.gz", True),
        ("BraTS20_Training_355/BraTS20_Training_355_SEG.NII", True),
        ("BraTS20_Training_355/notes_seg.txt", False),
        ("BraTS20_Training_355/BraTS20_Training_355_t1.nii", False),
        ("BraTS20_Training_36/BraTS20_Training_36_seg.nii", False),
    ],
)
def test_a_file_that_looks_like_the_label_is_named(tmp_path, label, is_named):
    touch(tmp_path, "BraTS20_Training_355/BraTS20_Training_355_flair.nii", label)
    (case,) = find_mri_cases(tmp_path, ["flair"], needs_label=True)
    expected = f"but {tmp_path / label} looks like it" if is_named else "has no label; add the file"
    assert expected in case["unusable"]


@pytest.mark.parametrize("suffix", [".NII.GZ", ".Nii", ".nii.GZ", ".NII"])
def test_suffixes_in_capitals(tmp_path, suffix):
    touch(tmp_path, f"a/a_flair{suffix}", f"a/a_seg{suffix}", f"b/Flair_1{suffix}")
    (case,) = find_mri_cases(tmp_path, ["flair"], needs_label=True)
    assert (case["case"], Path(case["label"]).name) == ("a", f"a_seg{suffix}")
    ending = "nii.gz" if suffix.lower().endswith("gz") else "nii"
    assert find_mri_cases(tmp_path, ["flair"], {"flair": "{case}/Flair_*." + ending})[0]["case"] == "b"
    (alone,) = find_mri_cases(tmp_path / f"a/a_flair{suffix}", ["flair"])
    assert alone["case"] == "a_flair"


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
def test_nnunet_of_both_versions(tmp_path, ending, described):
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
def test_nnunet_without_names_is_advised_a_pattern_that_fits(tmp_path, described):
    root = nnunet_folder(tmp_path, **described)
    with pytest.raises(InputError, match=r"1 cases are numbered as in nnU-Net \(channels 0, 1, 2, 3\)") as error:
        find_mri_cases(root, ["flair"], needs_label=True)
    pattern = ast.literal_eval(str(error.value).split('"')[1])
    (case,) = find_mri_cases(root, ["flair"], pattern, needs_label=True)
    assert case["label"] == str(root / "labelsTr/P1.nii.gz")
    if described:
        with pytest.raises(InputError, match=r"'flair': .* names no such channel, only nonorm, b, c, d; .*numbered"):
            find_mri_cases(root, ["flair"], "nnunet")


def test_the_folder_above_or_below_the_one_with_the_listing(tmp_path):
    root = nnunet_folder(tmp_path / "Dataset001_X", channel_names={"0": "T1", "1": "T1ce", "2": "T2", "3": "FLAIR"})
    with pytest.raises(InputError, match=rf"{root} holds a dataset.json: give that folder with --dataset_dir\.$"):
        find_mri_cases(tmp_path, ["flair"], "nnunet")
    with pytest.raises(InputError, match=rf"imagesTr: holds images without labels; give {root} with --dataset_dir\.$"):
        find_mri_cases(root / "imagesTr", ["flair"], "nnunet", needs_label=True)


def test_a_folder_of_dicom_is_advised_what_finds_it(tmp_path):
    touch(tmp_path, *[f"study/{patient}/T1/0.dcm" for patient in ("P1", "P2")])
    with pytest.raises(InputError, match="DICOM is in it: give --layout a pattern per modality") as error:
        find_mri_cases(tmp_path / "study", ["t1"], needs_label=True)
    pattern = ast.literal_eval(str(error.value).split('"')[1])
    assert [case["case"] for case in find_mri_cases(tmp_path / "study", ["t1"], pattern)] == ["P1", "P2"]
    for folder in (tmp_path / "study/P1", tmp_path / "study/P1/T1"):
        with pytest.raises(InputError, match=r"as in --datalist") as error:
            find_mri_cases(folder, ["t1"])
        assert ast.literal_eval(str(error.value).split('"')[1]) == [{"t1": str(tmp_path / "study/P1/T1")}]


def test_two_channels_of_one_modality_are_refused(tmp_path):
    nnunet_folder(tmp_path, channel_names={"0": "T1", "1": "t1w", "2": "T2", "3": "FLAIR"})
    with pytest.raises(InputError, match=r"not as in nnU-Net \(ValueError: two channels are called t1\)"):
        find_mri_cases(tmp_path, ["flair"], "nnunet")


def test_radiotherapy_of_meningioma(tmp_path):
    touch(tmp_path, *[f"BraTS-MEN-RT-0001-1/BraTS-MEN-RT-0001-1_{name}.nii.gz" for name in ("t1c", "gtv")])
    (case,) = find_mri_cases(tmp_path, ["t1ce"], "brats_men_rt", needs_label=True)
    assert (case["patient"], "unusable" in case) == ("BraTS-MEN-RT-0001", False)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"modalities": ["flair"], "layout": "brats2022"}, "unknown; choose brats2021 or brats2023 or .*, or"),
        ({"modalities": ["dwi"]}, "modality 'dwi': layout brats2021 has no files for it, only for t1, t1ce, t2, flair"),
        ({"modalities": ["label"]}, "modality 'label'"),
        ({"modalities": []}, "modalities: give at least one name"),
        ({"modalities": ["t2", "t2"]}, "none twice"),
        ({"modalities": ["t2"], "layout": {"t2": "T2.nii"}}, r"pattern 'T2.nii' for t2: write \{case\} in place"),
        ({"modalities": ["t2"], "patient_pattern": r"(x)\d"}, "finds no patient in the name of case a"),
        ({"modalities": ["t2"], "patient_pattern": "a"}, "not a regular expression with a group"),
        ({"modalities": ["t2"], "patient_pattern": 5}, "not a regular expression with a group"),
        ({"modalities": ["t2"], "patient_pattern": "(a"}, "not a regular expression with a group"),
    ],
)
def test_refuses_wrong_settings(brats2021, arguments, text):
    with pytest.raises(InputError, match=text) as error:
        find_mri_cases(brats2021, **arguments)
    assert "\n" not in str(error.value)


def test_the_2013_cases_as_they_are():
    if "SEGMENTATION_DATA" not in os.environ:
        pytest.skip("SEGMENTATION_DATA is not set: no real data here")
    patterns = {
        "flair": "{case}/Flair_*.nii.gz",
        "t1ce": "{case}/T1c_*.nii.gz",
        "brain": "{case}/brainmask.nii.gz",
        "label": "{case}/OTMultiClass.nii.gz",
    }
    folder = Path(os.environ["SEGMENTATION_DATA"], "brain_tumour_flair_t1c")
    cases = find_mri_cases(folder, ["flair", "t1ce"], patterns, needs_label=True)
    assert [case["case"] for case in cases] == [f"brats_2013_pat000{number}_1" for number in (3, 4, 5, 6)]
    assert all({"flair", "t1ce", "brain", "label"} <= set(case) for case in cases)


def test_task05_and_prostate158(tmp_path):
    """A listing whose paths begin with a slash and lack .gz is understood; the ADC is a modality like any other."""
    for folder in ("imagesTr", "labelsTr", "prostate158/001"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("imagesTr/prostate_16.nii.gz", "labelsTr/prostate_16.nii.gz", "prostate158/001/t2.nii.gz"):
        (tmp_path / file).write_bytes(b"")
    (tmp_path / "prostate158/001/t2_anatomy_reader1.nii.gz").write_bytes(b"")
    entry = {"image": "/imagesTr/prostate_16.nii", "label": "/labelsTr/prostate_16.nii"}
    listing = {"modality": {"0": "T2", "1": "ADC"}, "training": [entry], "test": []}
    (tmp_path / "dataset.json").write_text(json.dumps(listing))
    (case,) = find_mri_cases(tmp_path, ["t2", "adc"], "msd", needs_label=True)
    assert case["adc"] == [str(tmp_path / "imagesTr/prostate_16.nii.gz"), 1]
    assert case["label"] == str(tmp_path / "labelsTr/prostate_16.nii.gz")
    (case,) = find_mri_cases(tmp_path / "prostate158", ["t2", "adc"], "prostate158", needs_label=True)
    assert case["case"] == "001"
    assert "adc" not in case
