import logging
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from shared.data import PARTS, count_cases_sharing, split_breast_cases
from shared.errors import InputError

CLASSES = ["normal", "benign", "malignant"]


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
    cases[2]["group"] = "given"
    split = split_breast_cases(cases, fractions=(0.5, 0.25, 0.25))
    groups = {case["case"]: case["group"] for part in PARTS for case in split[part]}
    assert groups == {"c0": "c0", "c1": "c1", "c2": "given", "c3": "c3", "c4": "given", "c5": "given"}


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
