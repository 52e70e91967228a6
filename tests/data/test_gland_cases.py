from pathlib import Path

import pytest
from case_files import touch

from shared.data import GRADES, find_gland_cases
from shared.errors import InputError

HEADER = "name,patient ID, grade (GlaS), grade (Sirinukunwattana et al. 2015)"


def write_grades(root, *lines, name="Grade.csv", end="\r"):
    Path(root, name).write_bytes(end.join((HEADER, *lines)).encode())


@pytest.fixture
def published(tmp_path):
    """Three images as published, one grade too many, and what macOS leaves behind."""
    for name in ("train_1", "train_2", "testA_1"):
        touch(tmp_path, f"{name}.bmp", f"{name}_anno.bmp")
    touch(tmp_path, "._train_1.bmp", "readme.txt", "deeper/train_3.bmp", "train_1_regions.png")
    write_grades(
        tmp_path,
        "testA_1,4, benign, adenomatous",
        "train_1,3, malignant, x",
        " train_2 ,4,benign,",
        "testB_1,3, benign,",
    )
    return tmp_path


def test_the_layout_as_published(published):
    cases = find_gland_cases(published, needs_label=True)
    assert cases[1] == {
        "case": "train_1",
        "patient": "3",
        "part": "train",
        "image": str(published / "train_1.bmp"),
        "instances": str(published / "train_1_anno.bmp"),
        "grade": 1,
    }
    assert [(case["case"], case["patient"], case["part"], GRADES[case["grade"]]) for case in cases] == [
        ("testA_1", "4", "testA", "benign"),
        ("train_1", "3", "train", "malignant"),
        ("train_2", "4", "train", "benign"),
    ]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_lines_of_the_grade_file_may_end_in_any_way(tmp_path, end):
    touch(tmp_path, "train_1.png", "train_1_anno.png")
    write_grades(tmp_path, "train_1,7, Malignant ,x", "", end=end, name="GRADE.CSV")
    (case,) = find_gland_cases(tmp_path, needs_label=True)
    assert (case["patient"], case["grade"]) == ("7", 1)


def test_pictures_of_any_format_and_name_for_inference(tmp_path):
    touch(tmp_path, "a.TIF", "b.jpeg", "c.png", "c_anno.png", "d.svs", "notes.csv", "train_1_b.png")
    cases = find_gland_cases(tmp_path)
    assert [(case["case"], case["patient"]) for case in cases] == [(n, n) for n in ("a", "b", "c", "train_1_b")]
    assert [list(case)[2:] for case in cases] == [["image"], ["image"], ["image", "instances"], ["image"]]


def test_upper_case_names(tmp_path):
    touch(tmp_path, "TRAIN_1.BMP", "TRAIN_1_ANNO.BMP", "b.JPEG", "b_anno.PNG", "c.TIF", "maps/TRAIN_1_REGIONS.PNG")
    cases = find_gland_cases(tmp_path, label_dir=tmp_path / "maps")
    assert [(case["case"], "instances" in case, "label" in case) for case in cases] == [
        ("TRAIN_1", True, True),
        ("b", True, False),
        ("c", False, False),
    ]


def test_a_single_picture(tmp_path):
    touch(tmp_path, "slide.1.png")
    path = tmp_path / "slide.1.png"
    assert find_gland_cases(path) == [{"case": "slide.1", "patient": "slide.1", "image": str(path)}]
    with pytest.raises(InputError, match=r"slide.1.png: one image has no annotation; give the folder"):
        find_gland_cases(path, needs_label=True)


def test_stored_region_maps(published, tmp_path):
    maps = tmp_path / "maps"
    touch(maps, "train_1_regions.png", "train_2_regions.png", "pictures/train_1.png", "train_1.png")
    cases = find_gland_cases(published, label_dir=maps)
    assert [case.get("label") for case in cases] == [None, *(str(maps / f"train_{i}_regions.png") for i in (1, 2))]
    with pytest.raises(InputError, match=r"testA_1.bmp: has no region map .*1 of the 3.*"):
        find_gland_cases(published, needs_label=True, label_dir=maps)
    with pytest.raises(InputError, match=r"nowhere: no such folder; give the folder with the region maps"):
        find_gland_cases(published, label_dir=tmp_path / "nowhere")


def test_own_data_with_a_grade_file_elsewhere(tmp_path):
    touch(tmp_path, "d/s1.png", "d/s1_anno.tif", "d/s2.png", "d/s2_anno.png")
    (tmp_path / "mine.csv").write_text("grade,Name,Patient\nbenign,s1.png,\nmalignant,s2,p9\n", encoding="utf-8-sig")
    first, second = find_gland_cases(tmp_path / "d", needs_label=True, grades_file=tmp_path / "mine.csv")
    assert (first["patient"], first["grade"], second["patient"], second["grade"]) == ("s1", 0, "p9", 1)
    assert "part" not in first
    (tmp_path / "mine.csv").write_text("name,grade\ns1,benign\ns2,benign\n")
    cases = find_gland_cases(tmp_path / "d", needs_label=True, grades_file=tmp_path / "mine.csv")
    assert [case["patient"] for case in cases] == ["s1", "s2"]


def test_wrong_folders(tmp_path):
    with pytest.raises(InputError, match=r"dataset_dir is not given"):
        find_gland_cases("")
    with pytest.raises(InputError, match=r"nowhere: no such folder"):
        find_gland_cases(tmp_path / "nowhere")
    touch(tmp_path, "Grade.csv", "deeper/train_1.bmp", "train_1_anno.bmp")
    with pytest.raises(InputError, match=r"no image found \(looked for .bmp, .png"):
        find_gland_cases(tmp_path)


def test_what_training_needs_is_named(published):
    (published / "train_2_anno.bmp").unlink()
    with pytest.raises(InputError, match=r"train_2.bmp: has no annotation \(train_2_anno\).*\(1 of the 3 images"):
        find_gland_cases(published, needs_label=True)
    assert "instances" not in find_gland_cases(published)[2]
    touch(published, "train_2_anno.bmp")
    write_grades(published, "testA_1,4, benign", "train_1,3,", "train_2")
    with pytest.raises(InputError, match=r"train_1.bmp: has no grade in Grade.csv; add .*\(2 of the 3 images"):
        find_gland_cases(published, needs_label=True)


def test_the_same_case_twice(published):
    touch(published, "train_2.png")
    with pytest.raises(InputError, match=r"train_2.png: there is also train_2.bmp; remove one"):
        find_gland_cases(published)
    (published / "train_2.png").unlink()
    touch(published, "train_2_anno.png")
    with pytest.raises(InputError, match=r"train_2_anno.png: there is also train_2_anno.bmp"):
        find_gland_cases(published)


def test_an_annotation_without_a_picture_is_left_out_with_a_word(published, caplog):
    (published / "train_1.bmp").unlink()
    assert [case["case"] for case in find_gland_cases(published)] == ["testA_1", "train_2"]
    assert "1 annotations have no image" in caplog.text


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["train_1,3, begnin, x"], r"Grade.csv: grade 'begnin' of train_1 \(line 2\) is unknown; write benign or"),
        (["train_1,3, benign", "train_1,4, benign"], r"Grade.csv: line 3 names train_1 again"),
        (["train_1,3, benign", ",4, benign"], r"Grade.csv: line 3 names no image"),
    ],
)
def test_wrong_lines_of_the_grade_file(published, lines, message):
    write_grades(published, *lines)
    with pytest.raises(InputError, match=message):
        find_gland_cases(published)


@pytest.mark.parametrize("text", [b"", b"name;grade\ntrain_1;benign", b"image,grade\n", b"\xff\xfe\x00"])
def test_a_grade_file_that_is_none(published, text):
    (published / "Grade.csv").write_bytes(text)
    with pytest.raises(InputError, match=r"Grade.csv: (must have the columns \"name\" and|cannot be read)"):
        find_gland_cases(published)
    with pytest.raises(InputError, match=r"nowhere.csv: cannot be read"):
        find_gland_cases(published, grades_file=published / "nowhere.csv")


def test_a_broken_link_is_a_case_that_cannot_be_read_rather_than_none(tmp_path):
    (tmp_path / "a.png").symlink_to("nowhere.png")
    assert [case["case"] for case in find_gland_cases(tmp_path)] == ["a"]
