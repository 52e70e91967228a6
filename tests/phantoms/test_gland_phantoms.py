"""Painted glands in files: the published layout, the same bytes for the same seed, no mixture with other data."""

import json

import numpy as np
import pytest
from PIL import Image

from ci.__main__ import main
from shared.data import count_cases_sharing, find_gland_cases
from shared.errors import InputError
from shared.phantoms import paint_gland_phantoms, paint_glands

COARSE = {"size": (48, 64), "pixel_size_um": 4.0}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("data") / "phantoms"
    return paint_gland_phantoms(where, num_train=8, num_test_a=4, num_test_b=2, **COARSE)


def test_the_layout_as_published(folder):
    names = [f"{part}_{i}" for part, number in (("train", 8), ("testA", 4), ("testB", 2)) for i in range(1, number + 1)]
    files = {f"{name}{end}.bmp" for name in names for end in ("", "_anno")}
    assert set(contents(folder)) == {*files, "Grade.csv", "README.txt", "phantoms.json"}
    for name in names:
        picture, glands = Image.open(folder / f"{name}.bmp"), Image.open(folder / f"{name}_anno.bmp")
        assert (picture.mode, glands.mode) == ("RGB", "L")
        assert picture.size == glands.size
        numbers = np.unique(glands)
        np.testing.assert_array_equal(numbers, np.arange(len(numbers)))
    assert "no tissue" in (folder / "README.txt").read_text().lower()
    sizes = {Image.open(folder / f"{name}.bmp").size for name in names}
    assert (64, 48) in sizes
    assert len(sizes) > 1, "some are smaller"
    assert all(48 <= width <= 64 and 36 <= height <= 48 for width, height in sizes)


def test_grades_and_patients_are_read_as_from_the_published_file(folder):
    lines = (folder / "Grade.csv").read_bytes().split(b"\r")
    assert lines[0] == b"name,patient ID, grade (GlaS), grade (Sirinukunwattana et al. 2015)"
    assert lines[1] == b"testA_1,1, benign, healthy"
    assert len(lines) == 15
    assert b"\n" not in b"".join(lines)
    cases = find_gland_cases(folder, needs_label=True)
    parts = {part: [case for case in cases if case["part"] == part] for part in ("train", "testA", "testB")}
    assert {part: len(found) for part, found in parts.items()} == {"train": 8, "testA": 4, "testB": 2}
    assert {part: sum(case["grade"] for case in found) for part, found in parts.items()} == {
        "train": 4,
        "testA": 2,
        "testB": 1,
    }
    assert len({case["patient"] for case in parts["train"]}) == 3
    assert count_cases_sharing(parts["testA"], parts["train"], "patient") == 4
    assert count_cases_sharing(parts["testB"], parts["train"], "patient") == 0


def test_images_of_a_patient_share_a_stain(folder, tmp_path, monkeypatch):
    stains = []

    def note(*arguments, stain, **rest):
        stains.append(stain)
        return paint_glands(*arguments, stain=stain, **rest)

    monkeypatch.setattr("shared.phantoms.gland_phantoms.paint_glands", note)
    paint_gland_phantoms(tmp_path / "again", num_train=8, num_test_a=4, num_test_b=2, **COARSE)
    patients = {case["case"]: case["patient"] for case in find_gland_cases(folder)}
    names = [f"{part}_{i}" for part, number in (("train", 8), ("testA", 4), ("testB", 2)) for i in range(1, number + 1)]
    pairs = {(stain, patients[name]) for stain, name in zip(stains, names)}
    assert len(pairs) == len({stain for stain, _ in pairs}) == len(set(patients.values())) == 4


def test_same_seed_same_bytes_and_other_seed_others(folder, tmp_path):
    fewer = contents(paint_gland_phantoms(tmp_path / "fewer", num_train=2, num_test_a=1, num_test_b=0, **COARSE))
    pictures = {name: data for name, data in fewer.items() if name.endswith(".bmp")}
    assert pictures.items() <= contents(folder).items()
    assert len({fewer[name] for name in pictures}) == len(pictures)
    other = contents(
        paint_gland_phantoms(tmp_path / "other", num_train=2, num_test_a=1, num_test_b=0, seed=1, **COARSE)
    )
    assert all(other[name] != data for name, data in pictures.items())


def test_painting_again_does_nothing_unless_something_is_missing(folder):
    times, before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}, contents(folder)
    paint_gland_phantoms(folder, num_train=8, num_test_a=4, num_test_b=2, **COARSE)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == times
    (folder / "train_2_anno.bmp").unlink()
    paint_gland_phantoms(str(folder), num_train=8, num_test_a=4, num_test_b=2, **COARSE)
    assert contents(folder) == before
    assert json.loads(before["phantoms.json"])["pixel_size_um"] == 4.0


def test_other_data_are_neither_overwritten_nor_mixed_with_phantoms(folder, tmp_path):
    (tmp_path / "train_1.bmp").touch()
    with pytest.raises(InputError, match="something else than phantoms"):
        paint_gland_phantoms(tmp_path, **COARSE)
    with pytest.raises(InputError, match="other phantoms"):
        paint_gland_phantoms(folder, num_train=7, num_test_a=4, num_test_b=2, **COARSE)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_train": 0}, "num_train, num_test_a, num_test_b and seed"),
        ({"num_test_b": 1.5}, "num_train, num_test_a, num_test_b and seed"),
        ({"size": (48, 8)}, "size: give rows and columns, at least 16"),
        ({"size": 64}, "size: give rows and columns"),
        ({"pixel_size_um": 0}, "pixel_size_um: glands can be painted at 0.1 to 5"),
        ({"suffix": "gif"}, "suffix 'gif' is unknown; choose bmp or png"),
    ],
)
def test_wrong_settings_are_named(tmp_path, wrong, message):
    with pytest.raises(InputError, match=message):
        paint_gland_phantoms(tmp_path / "none", **wrong)
    assert not (tmp_path / "none").exists()


def test_the_command_paints_either_kind(tmp_path, capsys):
    options = ["--out", str(tmp_path / "set"), "--kind", "gland", "--num_train", "2", "--num_test_a", "1"]
    options += ["--num_test_b", "0", "--size", "[24,32]", "--pixel_size_um", "5"]

    def run(*arguments):
        main(["paint-phantoms", *arguments])

    run(*options)
    assert capsys.readouterr().out == f"3 phantoms (painted, no patients) are in {tmp_path / 'set'}\n"
    assert len(find_gland_cases(tmp_path / "set", needs_label=True)) == 3
    with pytest.raises(InputError, match="suffix 'gif' is unknown"):
        run(*options, "--suffix", "gif")
    with pytest.raises(InputError, match="option --num_cases is unknown for kind gland; choose from num_train,"):
        run(*options, "--num_cases", "3")
    with pytest.raises(InputError, match="option --num_train is unknown for kind brain; choose from num_cases,"):
        run("--out", str(tmp_path / "other"), "--num_train", "3")
    with pytest.raises(InputError, match="kind 'liver' is unknown; choose brain or ellipsoid or gland"):
        run("--out", str(tmp_path / "other"), "--kind", "liver")
