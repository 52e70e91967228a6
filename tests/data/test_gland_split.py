import os
import random
from pathlib import Path

import pytest

from shared.data import count_cases_sharing, find_gland_cases, split_gland_cases
from shared.errors import InputError


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
    for line in text.split(b"\r")[1:]:
        (tmp_path / f"{line.split(b',')[0].decode()}.bmp").touch()
    cases = find_gland_cases(tmp_path)
    parts = {part: [case for case in cases if case["part"] == part] for part in ("train", "testA", "testB")}
    assert {part: len(found) for part, found in parts.items()} == {"train": 85, "testA": 60, "testB": 20}
    assert count_cases_sharing(parts["testA"], parts["train"], "patient") == 59
    assert count_cases_sharing(parts["testB"], parts["train"], "patient") == 20
    assert len({case["patient"] for case in cases}) == 16
