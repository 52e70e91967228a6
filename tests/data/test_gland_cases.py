import os
import random
from pathlib import Path

import pytest

from shared.data import GRADES, count_cases_sharing, find_gland_cases, split_gland_cases
from shared.errors import InputError

HEADER = "name,patient ID, grade (GlaS), grade (Sirinukunwattana et al. 2015)"


def touch(root, *names):
    for name in names:
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


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


def cases_of(**patients):
    """Cases of part train: {patient: (number of benign, number of malignant images)}."""
    return [
        {"case": f"train_{patient}{grade}{i}", "patient": patient, "part": "train", "grade": grade}
        for patient, counts in patients.items()
        for grade in (0, 1)
        for i in range(counts[grade])
    ]


def names(split):
    return {part: [case["case"] for case in cases] for part, cases in split.items()}


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


def test_published_parts_stay_and_validation_is_drawn_by_patient_and_grade():
    cases = cases_of(a=(6, 0), b=(0, 6), c=(2, 0), d=(0, 2), e=(12, 12))
    cases += [{"case": f"test{part}_1", "patient": "a", "part": f"test{part}", "grade": 0} for part in "BA"]
    for seed in range(5):
        split = split_gland_cases(cases, validation_fraction=0.1, seed=seed)  # 2 of 20 benign, 2 of 20 malignant
        assert {case["patient"] for case in split["validation"]} == {"c", "d"}
        assert {case["patient"] for case in split["train"]} == {"a", "b", "e"}
        assert names(split)["test"] == ["testA_1", "testB_1"]
        assert names(split)["train"] == sorted(names(split)["train"])


def test_both_grades_are_drawn_evenly():
    cases = cases_of(a=(2, 0), b=(2, 0), c=(2, 0), d=(0, 2), e=(0, 2), f=(0, 2), g=(14, 14))
    for seed in range(8):
        drawn = split_gland_cases(cases, validation_fraction=0.2, seed=seed)["validation"]  # 4 of 20, twice
        assert [sum(case["grade"] == grade for case in drawn) for grade in (0, 1)] == [4, 4]


def test_depends_on_names_and_seed_only():
    cases = cases_of(**{f"p{i}": (i % 3, (i + 1) % 2) for i in range(20)})
    shuffled = random.Random(1).sample(cases, len(cases))
    assert split_gland_cases(shuffled, seed=5) == split_gland_cases(cases, seed=5)
    assert len({str(names(split_gland_cases(cases, seed=seed))) for seed in range(5)}) > 1


@pytest.mark.parametrize(
    ("patients", "fraction", "validated"),
    [({"a": (1, 0), "b": (9, 9)}, 0.9, 1), ({"a": (5, 5), "b": (5, 5)}, 0.01, 1), ({"a": (5, 5)}, 0, 0)],
)
def test_neither_training_nor_validation_is_left_without_patients(patients, fraction, validated):
    split = split_gland_cases(cases_of(**patients), fraction)
    assert len({case["patient"] for case in split["validation"]}) == validated
    assert split["train"]


def test_only_test_parts():
    split = split_gland_cases([{"case": "testB_1", "patient": "1", "part": "testB"}])
    assert {part: len(cases) for part, cases in split.items()} == {"train": 0, "validation": 0, "test": 1}


def test_own_data_are_split_in_three_by_patient(tmp_path):
    cases = [{"case": f"s{i}", "patient": f"p{i // 2}"} for i in range(40)]
    split = split_gland_cases(cases, validation_fraction=0.25, test_fraction=0.2)
    assert [len(split[part]) for part in ("train", "validation", "test")] == [24, 8, 8]
    assert count_cases_sharing(split["test"], split["train"] + split["validation"], "patient") == 0
    (tmp_path / "test.txt").write_text("s3\n")
    assert names(split_gland_cases(cases, files={"test": tmp_path / "test.txt"}))["test"] == ["s3"]


def test_wrong_splits():
    with pytest.raises(InputError, match=r"validation_fraction 1, .* the first below 1"):
        split_gland_cases([], validation_fraction=1)
    with pytest.raises(InputError, match=r"all images for training are of one patient, a;"):
        split_gland_cases(cases_of(a=(3, 3)))
    with pytest.raises(InputError, match=r"case s1 and 0 more have no part, while others"):
        split_gland_cases([*cases_of(a=(1, 1)), {"case": "s1", "patient": "s1"}])


def test_known_patients_are_counted_by_hand():
    trained = [{"patient": "1"}, {"patient": "2"}]
    assert count_cases_sharing([{"patient": p} for p in ("1", "1", "3", "2")], trained, "patient") == 3


@pytest.fixture
def real():
    if "SEGMENTATION_DATA" not in os.environ:
        pytest.skip("SEGMENTATION_DATA is not set: no real data here")
    return Path(os.environ["SEGMENTATION_DATA"], "glas")


def test_real_images(real):
    cases = find_gland_cases(real / "Warwick_QU_half", needs_label=True)
    split = split_gland_cases(cases)
    assert [len(split["train"]) + len(split["validation"]), len(split["test"])] == [85, 60]
    assert sum(case["grade"] for case in cases) == 75
    assert 13 <= len(split["validation"]) <= 17
    assert 7 <= sum(case["grade"] for case in split["validation"]) <= 10
    assert len(find_gland_cases(real / "Warwick_QU_original_sample")) == 5


def test_test_images_of_the_real_grade_file_come_from_known_patients(real, tmp_path):
    text = (real / "Warwick_QU_half" / "Grade.csv").read_bytes()
    (tmp_path / "Grade.csv").write_bytes(text)
    touch(tmp_path, *[line.split(b",")[0].decode() + ".bmp" for line in text.split(b"\r")[1:]])
    cases = find_gland_cases(tmp_path)
    parts = {part: [case for case in cases if case["part"] == part] for part in ("train", "testA", "testB")}
    assert {part: len(found) for part, found in parts.items()} == {"train": 85, "testA": 60, "testB": 20}
    assert count_cases_sharing(parts["testA"], parts["train"], "patient") == 59
    assert count_cases_sharing(parts["testB"], parts["train"], "patient") == 20
    assert len({case["patient"] for case in cases}) == 16


def test_a_broken_link_is_a_case_that_cannot_be_read_rather_than_none(tmp_path):
    (tmp_path / "a.png").symlink_to("nowhere.png")
    assert [case["case"] for case in find_gland_cases(tmp_path)] == ["a"]
