import logging
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.data import PARTS, count_cases_sharing, find_breast_cases, split_breast_cases
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


@pytest.fixture
def table(put):
    def write(text, encoding="utf-8"):
        folder = put("p/a.bmp", "p/b.bmp", "m/a.bmp", "m/a2.bmp")
        (folder / "cases.csv").write_text(text, encoding=encoding)
        return folder

    return write


def from_table(folder, classes=CLASSES, **options):
    return find_breast_cases(folder, classes, cases_file=folder / "cases.csv", **options)


def make_cases(normal=0, benign=0, malignant=0, group=None):
    numbers = dict(zip(CLASSES, (normal, benign, malignant)))
    names = [(name, i) for name, number in numbers.items() for i in range(number)]
    return [
        {"case": f"{name}{i}", "class": CLASSES.index(name), "group": group(name, i) if group else f"{name}{i}"}
        for name, i in names
    ]


def counts(split):
    return {part: [Counter(case["class"] for case in split[part])[number] for number in range(3)] for part in PARTS}


def names(split):
    return {part: [case["case"] for case in split[part]] for part in PARTS}


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


def test_classes_of_a_table_in_small_or_large_letters(table):
    (case,) = from_table(table("image,class\np/a.bmp,MALIGNANT\n"))
    assert case["class"] == 2
    (case,) = from_table(table("image,class\np/a.bmp,Normal\n"))
    assert case["mask"] == []


def test_a_folder_of_pictures_and_one_picture(put):
    folder = put("scan.jpg", "a_mask_b.png", "c.PNG", "c_mask.png")
    assert find_breast_cases(str(folder), CLASSES) == [
        {"case": "a_mask_b", "image": str(folder / "a_mask_b.png")},
        {"case": "c", "image": str(folder / "c.PNG"), "mask": [str(folder / "c_mask.png")]},
        {"case": "scan", "image": str(folder / "scan.jpg")},
    ]
    assert find_breast_cases(folder / "scan.jpg", CLASSES) == [{"case": "scan", "image": str(folder / "scan.jpg")}]


def test_table(table):
    folder = table(
        "Image, mask ,class,case,group,age\n"
        "p/a.bmp,m/a.bmp; m/a2.bmp,malignant,second,pair,51\n"
        "\n"
        "p/b.bmp,,normal,,,\n"
        '{absolute},"m/a.bmp;",,first,,\n'.replace("{absolute}", str(Path(__file__))),
        encoding="utf-8-sig",
    )
    b, first, second = from_table(folder)
    assert b == {"case": "b", "image": str(folder / "p/b.bmp"), "mask": [], "class": 0}
    assert first == {"case": "first", "image": __file__, "mask": [str(folder / "m/a.bmp")]}
    assert second["mask"] == [str(folder / "m/a.bmp"), str(folder / "m/a2.bmp")]
    assert (second["class"], second["group"]) == (2, "pair")


def test_a_lesion_without_outline_is_unknown_and_not_empty(table):
    (case,) = from_table(table("image,class\np/a.bmp,benign\n"))
    assert "mask" not in case
    with pytest.raises(InputError, match=r"a.bmp: has no mask .*\(1 of the 1 images"):
        from_table(table("image,class\np/a.bmp,benign\n"), needs_label=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("picture,class\np/a.bmp,benign\n", r'cases.csv: must have a column "image".*reads \'picture,class\''),
        ("image;class\np/a.bmp;benign\n", r"commas between them"),
        ("image,mask,mask\np/a.bmp,,\n", r"each once"),
        ("image,class\np/a.bmp,bening\n", r"line 2: class 'bening' is unknown; write normal or benign or malignant"),
        ("image,mask\np/a.bmp,m/c.bmp\n", r"line 2: .*m/c.bmp is no file; correct it \(paths start at"),
        ("image\n\np/c.bmp\n", r"line 3: .*p/c.bmp is no file"),
        ("image,class\n,benign\n", r"line 2: case '' cannot name files"),
        ("image,case\np/a.bmp,P1/left\n", r"line 2: case 'P1/left' cannot name files"),
        ("image,case\np/a.bmp,mean\n", r"line 2: case 'mean' cannot name files or a row"),
        ("image\np/a.bmp\nm/a.bmp\n", r"line 3 names case a again \(.*p/a.bmp and .*m/a.bmp\)"),
        ("image,class\np/a.bmp\n", r"line 2 has 1 cells, the first line 2"),
        ("image\n", r"lists no image"),
        ("", r"must have a column"),
    ],
)
def test_bad_tables_are_named(table, text, message):
    with pytest.raises(InputError, match=message):
        from_table(table(text))


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


def test_sizes_and_classes_of_the_published_split():
    split = split_breast_cases(make_cases(normal=133, benign=437, malignant=210))
    assert [len(split[part]) for part in PARTS] == [546, 117, 117]
    wanted = {"train": (93.1, 305.9, 147), "validation": (19.95, 65.55, 31.5), "test": (19.95, 65.55, 31.5)}
    for part, found in counts(split).items():
        np.testing.assert_allclose(found, wanted[part], atol=0.6)
        assert names(split)[part] == sorted(names(split)[part])


def test_groups_stay_together_and_classes_stay_in_shares():
    cases = make_cases(20, 60, 40, group=lambda name, i: f"{name if i > 3 else 'mixed'}{i // 3}")
    for seed in range(10):
        split = split_breast_cases(cases, seed=seed)
        assert sum(len(split[part]) for part in PARTS) == 120
        assert not count_cases_sharing(split["test"], split["train"] + split["validation"], "group")
        assert not count_cases_sharing(split["validation"], split["train"], "group")
        for part, share in zip(PARTS, (0.7, 0.15, 0.15)):
            np.testing.assert_allclose(counts(split)[part], share * np.array((20, 60, 40)), atol=6)


def test_every_part_gets_groups_of_every_size():
    """A rule that fills training first would leave single images alone for the test."""
    cases = make_cases(benign=100, group=lambda name, i: f"g{i // 4}" if i < 60 else f"s{i}")
    tested = [case for seed in range(20) for case in split_breast_cases(cases, seed=seed)["test"]]
    share = np.mean([case["group"].startswith("g") for case in tested])
    assert 0.4 < share < 0.8  # of all images: 0.6


def test_the_seed_chooses_and_the_order_does_not():
    cases = make_cases(10, 20, 20)
    first = names(split_breast_cases(cases, seed=1))
    assert first == names(split_breast_cases(cases[::-1], seed=1))
    assert first != names(split_breast_cases(cases, seed=2))


def test_by_file_near_duplicates_part_and_it_is_said(caplog):
    cases = make_cases(20, 60, 40, group=lambda name, i: f"{name}{i // 2}")
    with caplog.at_level(logging.INFO):
        split = split_breast_cases(cases, duplicates_together=False)
    shared = count_cases_sharing(split["test"], split["train"] + split["validation"], "group")
    assert shared > 5
    assert f"{shared} of {len(split['test'])} tested images have a near-duplicate in another part" in caplog.text
    assert "Near-duplicates: 120 of 120 images, in 60 groups, 0 of which" in caplog.text


def test_cases_without_a_group_are_compared(tmp_path, caplog):
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 255, (48, 48), dtype=np.uint8) for _ in range(5)]
    cases = []
    for number, picture in enumerate([*pictures, pictures[2]]):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
        cases.append({"case": f"c{number}", "image": tmp_path / f"{number}.png", "class": number // 3})
    cases[4]["group"] = "given"
    with caplog.at_level(logging.INFO):
        split = split_breast_cases(cases, fractions=(0.5, 0.25, 0.25))
    groups = {case["case"]: case["group"] for part in PARTS for case in split[part]}
    assert groups == {"c0": "c0", "c1": "c1", "c2": "c2", "c3": "c3", "c4": "given", "c5": "c2"}
    assert "Near-duplicates: 2 of 6 images, in 1 groups, 1 of which hold images of several classes" in caplog.text
    assert "group" not in cases[0]


def test_parts_from_files(tmp_path):
    (tmp_path / "test.txt").write_text("benign3\nbenign1\n")
    split = split_breast_cases(make_cases(benign=4), files={"test": tmp_path / "test.txt"})
    assert names(split) == {"train": [], "validation": [], "test": ["benign1", "benign3"]}


def test_bad_splits_are_named():
    with pytest.raises(InputError, match="three shares"):
        split_breast_cases(make_cases(benign=4), fractions=(0.7, 0.7, 0.1))
    with pytest.raises(InputError, match=r"no image is left for (validation|test), as 4 images form 1 groups"):
        split_breast_cases(make_cases(benign=4, group=lambda *_: "one"), fractions=(0, 0.5, 0.5))
    with pytest.raises(InputError, match="8 cases but 4 names"):
        split_breast_cases(make_cases(benign=4) * 2)
    assert len(split_breast_cases(make_cases(benign=4), fractions=(0, 0, 1))["test"]) == 4


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
