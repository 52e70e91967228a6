import os
from collections import Counter
from pathlib import Path

import pytest

from shared.data import find_breast_cases
from shared.errors import InputError

CLASSES = ["normal", "benign", "malignant"]


@pytest.fixture
def put(tmp_path):
    """Give a function that makes files (empty ones: finding cases opens none) and returns the folder."""

    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return make


@pytest.fixture
def busi(put):
    return put(
        "normal/normal (1).png",
        "normal/normal (1)_mask.png",
        "normal/normal (2).png",
        "benign/benign (1).png",
        "benign/benign (1)_mask.png",
        "benign/benign (10).png",
        "benign/benign (10)_mask.png",
        "benign/benign (10)_mask_1.png",
        "benign/benign (10)_mask_2.png",
        "malignant/malignant (1).png",
        "malignant/malignant (1)_mask.png",
        "malignant/.hidden.png",
        "malignant/notes.txt",
    )


def test_busi_as_published(busi):
    cases = {case["case"]: case for case in find_breast_cases(busi, CLASSES, needs_label=True)}
    assert list(cases) == ["benign (1)", "benign (10)", "malignant (1)", "normal (1)", "normal (2)"]
    assert [case["class"] for case in cases.values()] == [1, 1, 2, 0, 0]
    ten = cases["benign (10)"]
    assert ten["image"] == str(busi / "benign/benign (10).png")
    assert [Path(path).name for path in ten["mask"]] == [f"benign (10)_mask{end}.png" for end in ("", "_1", "_2")]
    assert [len(case["mask"]) for case in cases.values()] == [1, 3, 1, 1, 0]  # a normal image needs no mask


def test_class_names_number_and_choose_the_folders(busi):
    cases = find_breast_cases(busi, ["malignant", "benign"])
    assert [(case["case"], case["class"]) for case in cases] == [
        ("benign (1)", 1),
        ("benign (10)", 1),
        ("malignant (1)", 0),
    ]


def test_images_of_one_name_in_two_classes(put):
    cases = find_breast_cases(put("benign/1.png", "malignant/1.png"), ["benign", "malignant"])
    assert [case["case"] for case in cases] == ["benign_1", "malignant_1"]


def test_a_class_without_folder_and_a_mask_without_picture_are_reported(put, caplog):
    folder = put("benign/a.png", "benign/a_mask.png", "benign/b_mask.png")
    assert len(find_breast_cases(folder, CLASSES)) == 1
    assert "holds no image of class normal, malignant" in caplog.text
    assert "1 masks have no image" in caplog.text
    assert "b_mask.png" in caplog.text


@pytest.mark.parametrize("rename", [str.upper, str.title, lambda name: f"{name} "])
def test_folders_of_classes_in_small_or_large_letters(busi, rename):
    before = find_breast_cases(busi, CLASSES, needs_label=True)
    (busi / "benign").rename(busi / rename("benign"))
    after = find_breast_cases(busi, CLASSES, needs_label=True)
    assert [(case["case"], case["class"]) for case in after] == [(case["case"], case["class"]) for case in before]
    assert len(find_breast_cases(busi, ["Normal", "BENIGN", "Malignant"], needs_label=True)) == len(before)


def test_two_folders_of_one_class_are_refused(busi, put):
    put("Benign/b.png")
    with pytest.raises(InputError, match=r"/Benign and .*/benign: both are folders of class benign"):
        find_breast_cases(busi, CLASSES)


def test_a_class_without_pictures_is_refused_in_training(busi):
    (busi / "benign").rename(busi / "gutartig")
    message = (
        r"holds no image of class benign \(other folders: gutartig\); name one folder per class as in class_names \(n"
    )
    with pytest.raises(InputError, match=message):
        find_breast_cases(busi, CLASSES, needs_label=True)
    assert len(find_breast_cases(busi, CLASSES)) == 3
    (busi / "gutartig").rename(busi / "notes")
    (busi / "benign").mkdir()
    with pytest.raises(
        InputError, match=r"holds no image of class benign \(.*/benign without images, and other folders"
    ):
        find_breast_cases(busi, CLASSES, needs_label=True)


def test_folders_of_other_names_are_named(put):
    folder = put("gutartig/a.png", "boesartig/b.png")
    with pytest.raises(
        InputError, match=r"no image found .*classes are normal, .* its folders boesartig, gutartig: ren"
    ):
        find_breast_cases(folder, CLASSES)


def test_two_pictures_of_one_case_are_refused_naming_both(put):
    folder = put("benign/1.png", "benign/benign_1.PNG", "malignant/1.png")
    with pytest.raises(
        InputError, match=r"benign/1.png and .*benign/benign_1.PNG: both would be case benign_1; rename"
    ):
        find_breast_cases(folder, ["benign", "malignant"])


def test_upper_case_suffixes_and_masks(put):
    folder = put(*(f"benign/{i}{end}" for i, end in enumerate((".PNG", ".TIF", ".TIFF", ".JPEG", ".JPG", ".BMP"))))
    put("benign/0_MASK.PNG", "benign/1_Mask_1.TIF", "benign/2_mask.png")
    cases = find_breast_cases(folder, ["benign"])
    assert [len(case.get("mask", [])) for case in cases] == [1, 1, 1, 0, 0, 0]


def test_a_folder_of_pictures_and_one_picture(put):
    folder = put("scan.jpg", "a_mask_b.png", "c.PNG", "c_mask.png")
    assert find_breast_cases(str(folder), CLASSES) == [
        {"case": "a_mask_b", "image": str(folder / "a_mask_b.png")},
        {"case": "c", "image": str(folder / "c.PNG"), "mask": [str(folder / "c_mask.png")]},
        {"case": "scan", "image": str(folder / "scan.jpg")},
    ]
    assert find_breast_cases(folder / "scan.jpg", CLASSES) == [{"case": "scan", "image": str(folder / "scan.jpg")}]


def test_bad_folders_are_named(busi, put):
    with pytest.raises(InputError, match="dataset_dir is not given"):
        find_breast_cases("", CLASSES)
    with pytest.raises(InputError, match=r"absent: no such folder"):
        find_breast_cases(busi / "absent", CLASSES)
    (busi / "x").mkdir()
    for name in CLASSES:
        (busi / name).rename(busi / "x" / name)
    with pytest.raises(InputError, match=rf"no image found .*give {busi}/x\.$"):
        find_breast_cases(busi, CLASSES)
    for name in CLASSES:
        (busi / "x" / name).rename(busi / name)
    with pytest.raises(InputError, match=r"absent.csv: cannot be read"):
        find_breast_cases(busi, CLASSES, cases_file=busi / "absent.csv")
    put("normal/normal (1).jpg")
    with pytest.raises(InputError, match=r"normal \(1\).png: there is also normal \(1\).jpg"):
        find_breast_cases(busi, CLASSES)
    (busi / "normal/normal (1).jpg").unlink()
    (busi / "benign/benign (1)_mask.png").unlink()
    with pytest.raises(InputError, match=r"benign \(1\).png: has no mask .*1 of the 5 images"):
        find_breast_cases(busi, CLASSES, needs_label=True)
    put("flat/a.png")
    with pytest.raises(InputError, match=r"a.png: has no class"):
        find_breast_cases(busi / "flat", CLASSES, needs_label=True)


def test_busi_itself():
    if "SEGMENTATION_DATA" not in os.environ:
        pytest.skip("SEGMENTATION_DATA is not set: no real data here")
    folder = Path(os.environ["SEGMENTATION_DATA"], "busi/Dataset_BUSI_with_GT")
    cases = find_breast_cases(folder, CLASSES, needs_label=True)
    assert Counter(case["class"] for case in cases) == {0: 112, 1: 371, 2: 178}
    assert Counter(len(case["mask"]) for case in cases) == {1: 647, 2: 13, 3: 1}
    assert sum(len(case["mask"]) for case in cases) == len(list(folder.glob("*/*_mask*.png")))


def test_a_broken_link_is_a_case_that_cannot_be_read_rather_than_none(tmp_path):
    (tmp_path / "a.png").symlink_to("nowhere.png")
    assert [case["case"] for case in find_breast_cases(tmp_path, ("normal", "benign"))] == ["a"]
