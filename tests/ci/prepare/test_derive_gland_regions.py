import csv

import numpy as np
import pytest
from PIL import Image

from ci.__main__ import main
from shared.data import find_gland_cases
from shared.errors import InputError
from shared.transforms import GlandRegionsd, LoadPictured

ROWS, COLUMNS = 60, 90


@pytest.fixture
def run(capsys):
    def call(*arguments):
        main(["derive-gland-regions", *map(str, arguments)])
        return capsys.readouterr().out

    return call


@pytest.fixture
def images(tmp_path):
    """A benign gland of 40 x 60 pixels with a bright inside, a malignant one without, and a picture nobody outlined."""
    folder = tmp_path / "images"
    folder.mkdir()
    glands = np.zeros((ROWS, COLUMNS), np.uint8)
    glands[10:50, 20:80] = 1
    for name, inside in (("train_2", 250), ("train_10", 100), ("testA_1", 250)):
        picture = np.full((ROWS, COLUMNS, 3), 180, np.uint8)
        picture[glands > 0] = 100
        picture[22:38, 35:65] = inside
        Image.fromarray(picture).save(folder / f"{name}.bmp")
        if name != "testA_1":
            Image.fromarray(glands).save(folder / f"{name}_anno.bmp")
    (folder / "Grade.csv").write_text("name,patient ID, grade (GlaS)\rtrain_2,1, benign\rtrain_10,1, malignant")
    return folder


def test_maps_table_and_pictures(run, images, tmp_path):
    out = tmp_path / "regions"
    text = run("--dataset_dir", images, "--out", out, "--pixel_size_um", 1)
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*")) == [
        "pictures/sheet_01.png",
        "pictures/train_10.png",
        "pictures/train_2.png",
        "regions.csv",
        "train_10_regions.png",
        "train_2_regions.png",
    ]
    with (out / "regions.csv").open(newline="") as table:
        first, second = csv.DictReader(table)
    assert (first["case"], first["grade"], first["contacts"]) == ("train_2", "benign", "0")
    assert (second["case"], second["grade"], second["lumen"]) == ("train_10", "malignant", "0.0")
    assert float(first["stroma"]) == pytest.approx(1 - 40 * 60 / (ROWS * COLUMNS), abs=1e-4)
    assert float(first["lumen"]) == pytest.approx(16 * 30 / (ROWS * COLUMNS), rel=0.2)
    assert "benign: 1 images, stroma 0.556" in text
    assert "malignant: 1 images, stroma 0.556, epithelium 0.444, lumen 0.000; 1 without lumen" in text
    assert "0 lumen pixels beside stroma" in text
    outlined = np.asarray(Image.open(out / "pictures" / "train_2.png"))
    original = np.asarray(Image.open(images / "train_2.bmp"))
    changed = (outlined != original).any(axis=-1)
    assert changed[10, 40]
    assert changed[30, 20]
    assert not changed[:10].any()
    assert not changed[15, 40]


def test_the_maps_are_read_back_as_they_were_derived(run, images, tmp_path):
    run("--dataset_dir", images, "--out", tmp_path / "regions", "--pixel_size_um", 1)
    cases = find_gland_cases(images, label_dir=tmp_path / "regions")
    for case in cases[1:]:
        stored = GlandRegionsd(1.0)(LoadPictured("image")(case))["label"]
        fresh = GlandRegionsd(1.0)(LoadPictured("image")({key: case[key] for key in ("image", "instances")}))["label"]
        assert (stored == fresh).all()
    assert "label" not in cases[0]
    palette = Image.open(tmp_path / "regions" / "train_2_regions.png")
    assert len(np.unique(np.asarray(palette.convert("L")))) == 3, "the three regions can be told apart by eye"


def test_ring_and_many_sheets(run, images, tmp_path):
    text = run(
        "--dataset_dir", images, "--out", tmp_path / "ring", "--pixel_size_um", 1, "--method", "ring", "--per_sheet", 1
    )
    assert "0 without lumen" in text
    assert (tmp_path / "ring" / "pictures" / "sheet_02.png").is_file()


def test_wrong_input_ends_in_one_line(run, images, tmp_path):
    with pytest.raises(InputError, match=r".*nowhere: no such folder"):
        run("--dataset_dir", tmp_path / "nowhere", "--out", tmp_path / "out")
    with pytest.raises(InputError, match=r"method 'bold' is unknown"):
        run("--dataset_dir", images, "--out", tmp_path / "out", "--method", "bold")
    for path in images.glob("*_anno.bmp"):
        path.unlink()
    with pytest.raises(InputError, match=r".*found 0 outlined images; give a folder with annotations"):
        run("--dataset_dir", images, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()
