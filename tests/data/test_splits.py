import itertools
import random

import pytest

from shared.data import split_cases
from shared.errors import InputError


def make_cases(num_patients, per_patient=1):
    return [
        {"case": f"p{patient:03d}_{scan}", "patient": f"p{patient:03d}"}
        for patient in range(num_patients)
        for scan in range(per_patient)
    ]


def sizes(split):
    return [len({item["patient"] for item in split[part]}) for part in ("train", "validation", "test")]


def names(split):
    return {part: [item["case"] for item in items] for part, items in split.items()}


@pytest.mark.parametrize(
    ("num_patients", "fractions", "expected"),
    [
        (10, (0.7, 0.1, 0.2), [7, 1, 2]),
        (285, (0.7, 0.1, 0.2), [199, 29, 57]),  # the sizes of the published BraTS 2018 splits
        (369, (219 / 369, 50 / 369, 100 / 369), [219, 50, 100]),
        (3, (0.7, 0.1, 0.2), [1, 1, 1]),
        (4, (0.75, 0, 0.25), [3, 0, 1]),
        (5, (0, 0, 1), [0, 0, 5]),
        (100, (0.99, 0.005, 0.005), [98, 1, 1]),
    ],
)
def test_sizes(num_patients, fractions, expected):
    assert sizes(split_cases(make_cases(num_patients), fractions)) == expected


def test_every_case_once_and_patients_whole():
    cases = make_cases(17, per_patient=3)
    split = split_cases(cases, seed=3)
    assert sorted(name for part in names(split).values() for name in part) == [case["case"] for case in cases]
    for one, other in itertools.combinations(split.values(), 2):
        assert not {item["patient"] for item in one} & {item["patient"] for item in other}


def test_depends_on_names_and_seed_only():
    cases = make_cases(30)
    shuffled = random.Random(1).sample(cases, len(cases))
    assert split_cases(shuffled, seed=5) == split_cases(cases, seed=5)
    assert len({str(names(split_cases(cases, seed=seed))) for seed in range(5)}) == 5
    moved = [{**case, "flair": "elsewhere.nii.gz"} for case in cases]
    assert names(split_cases(moved, seed=5)) == names(split_cases(cases, seed=5))


def test_the_order_within_a_part_is_that_of_the_names():
    for part in names(split_cases(make_cases(20), seed=2)).values():
        assert part == sorted(part)


def test_folds_test_every_patient_once():
    cases = make_cases(11, per_patient=2)
    splits = [split_cases(cases, num_folds=4, fold=fold, seed=1) for fold in range(4)]
    tested = [name for split in splits for name in names(split)["test"]]
    assert sorted(tested) == [case["case"] for case in cases]
    assert [sizes(split) for split in splits] == [[7, 1, 3], [7, 1, 3], [7, 1, 3], [8, 1, 2]]
    for split in splits:
        assert sum(map(len, split.values())) == len(cases)


def test_folds_without_validation():
    split = split_cases(make_cases(9), (0.8, 0, 0.2), num_folds=3, fold=2)
    assert sizes(split) == [6, 0, 3]


def test_a_list_of_windows_may_begin_with_its_mark(tmp_path):
    (tmp_path / "test.txt").write_text("\n".join(case["case"] for case in make_cases(2)), encoding="utf-8-sig")
    assert len(split_cases(make_cases(2), files={"test": tmp_path / "test.txt"})["test"]) == 2


def test_lists_from_files(tmp_path, caplog):
    (tmp_path / "train.txt").write_text("p002_0\r\n\n p000_0 \n")
    (tmp_path / "test.txt").write_text("p000_1\n")
    files = {"train": tmp_path / "train.txt", "test": str(tmp_path / "test.txt"), "validation": None}
    split = split_cases(make_cases(3, per_patient=2), files=files)
    assert names(split) == {"train": ["p000_0", "p002_0"], "validation": [], "test": ["p000_1"]}
    assert "one patient into several parts: p000" in caplog.text


@pytest.mark.parametrize(
    ("lists", "text"),
    [
        ({"train": "p000_0\np009_0"}, r"train.txt: case p009_0 is not among the 3 cases found"),
        ({"train": "p000_0", "test": "p000_0"}, r"test.txt: case p000_0 is listed twice, here and for train"),
        ({"train": "p000_0\np000_0"}, "listed twice"),
        ({"training": "p000_0"}, "split file for 'training': the parts are called train, validation, test"),
    ],
)
def test_refuses_lists_that_do_not_fit(tmp_path, lists, text):
    files = {part: tmp_path / f"{part}.txt" for part in lists}
    for part, path in files.items():
        path.write_text(lists[part])
    with pytest.raises(InputError, match=text):
        split_cases(make_cases(3), files=files)


def test_refuses_a_list_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"no.txt: cannot be read as a list of cases"):
        split_cases(make_cases(3), files={"train": tmp_path / "no.txt"})


@pytest.mark.parametrize(
    ("num_patients", "arguments", "text"),
    [
        (2, {}, "3 parts need at least 3 patients, found 2; give more cases, or a part the fraction 0"),
        (0, {"fractions": (0, 0, 1)}, "1 parts need at least 1 patients, found 0"),
        (9, {"fractions": (0.7, 0.3)}, "give three shares"),
        (9, {"fractions": (0.7, 0.1, 0.1)}, "sum to one"),
        (9, {"fractions": (1.2, -0.2, 0)}, "give three shares"),
        (4, {"num_folds": 5}, "num_folds 5: needs as many patients, found 4"),
        (9, {"num_folds": 3, "fold": 3}, "a fold from 0 to num_folds - 1"),
        (9, {"num_folds": 1}, "expected at least 2 folds"),
        (9, {"num_folds": 3, "fractions": (0, 0, 1)}, "give training or validation a share"),
    ],
)
def test_refuses_what_cannot_be_split(num_patients, arguments, text):
    with pytest.raises(InputError, match=text):
        split_cases(make_cases(num_patients), **arguments)


def test_refuses_cases_without_a_name_of_their_own():
    with pytest.raises(InputError, match='give every case a "case" of its own'):
        split_cases([{"case": "a"}, {"case": "a"}])
    with pytest.raises(InputError, match='give every case a "case" of its own'):
        split_cases([{"image": "a.nii"}])
