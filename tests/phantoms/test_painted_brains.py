"""Painted brains as files and as tensors: settings, layout, and what the files say about themselves."""

import sys

import nibabel as nib
import numpy as np
import pytest

from ci.__main__ import main
from shared.data import find_mri_cases
from shared.errors import InputError
from shared.phantoms import BrainPainter, paint_brain_phantoms
from shared.phantoms.mni_maps import load_brain_maps
from shared.phantoms.painted_brain import head_size
from shared.transforms import PrepareBraind

pytest.importorskip("nilearn", reason="the anatomy of painted brains needs nilearn, which is not installed")


def test_a_painter_gives_what_the_preparation_of_the_bundles_reads():
    painter = BrainPainter((6.0, 7.0, 8.0), ["flair", "t1"], label_values=(0, 1, 2, 400))
    reading = {"label_convention": {0: 0, 1: 1, 2: 2, 400: 3}, "resample_label": True}
    prepare = PrepareBraind(painter.modalities, painter.spacing_mm, **reading)
    case = prepare({"case": "a", "painted": lambda: painter((0, 5))})
    assert case["image"].shape[0] == 2
    assert case["image"].shape[1:] == case["label"].shape[1:]
    np.testing.assert_allclose(np.diag(case["image"].affine)[:3], (6, 7, 8))
    assert {0, 3} <= set(np.unique(case["label"])) <= {0, 1, 2, 3}
    again = prepare({"case": "a", "painted": lambda: painter((0, 5))})
    np.testing.assert_array_equal(case["image"], again["image"])


def test_nobody_looks_for_a_skull_in_a_painted_brain_whose_dura_may_look_like_one(monkeypatch):
    def refuse(*args):
        raise InputError("a skull")

    monkeypatch.setattr("shared.transforms.brain_from_air.check_skull", refuse)
    painter = BrainPainter((8.0,) * 3, ["flair", "t1"])
    prepare = PrepareBraind(painter.modalities, painter.spacing_mm, label_convention={0: 0, 1: 1, 2: 2, 3: 3})
    painted = painter((0, 5))
    assert prepare({"case": "a", "painted": lambda: dict(painted)})["image"].shape[0] == 2
    differs = (painted["flair"] != 0) | (painted["t1"] != 0)
    np.testing.assert_array_equal(painted["brain"], differs)
    del painted["brain"]
    with pytest.raises(InputError, match="a skull"):
        prepare({"case": "a", "painted": lambda: painted})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"spacing_mm": (0.8, 1, 1)}, "spacing_mm: painted brains need voxels of at least 1 mm"),
        ({"spacing_mm": (0, 2, 2)}, "spacing_mm: painted brains need voxels of at least 1 mm along three axes"),
        ({"spacing_mm": (2, 2)}, r"along three axes, not \(2, 2\)"),
        ({"size": (9, 9)}, r"three positive numbers each, not \(9, 9\)"),
        ({"tumours": "glioma"}, "tumours 'glioma' are unknown; choose mixed or high_grade or low_grade"),
        ({"modalities": ("adc",)}, "modalities: choose from t1, t1ce, t2, flair"),
        ({"layout": "brats"}, "layout 'brats' is unknown"),
    ],
)
def test_wrong_settings_are_named(tmp_path, wrong, message):
    with pytest.raises(InputError, match=message):
        paint_brain_phantoms(tmp_path / "none", **wrong)
    assert not (tmp_path / "none").exists()


def test_the_command_paints_brains_unless_told_otherwise_and_the_files_say_so(tmp_path, capsys):
    folder = tmp_path / "set"
    main(
        [
            "paint-phantoms",
            "--out",
            str(folder),
            "--num_cases",
            "1",
            "--spacing_mm",
            "[6,6,6]",
            "--modalities",
            "[flair]",
        ]
    )
    assert capsys.readouterr().out == f"1 phantoms (painted, no patients) are in {folder}\n"
    (case,) = find_mri_cases(folder, "flair", needs_label=True)
    image, label = nib.load(case["flair"]), nib.load(case["label"])
    assert b"painted, no patient" in image.header["descrip"].tobytes()
    assert set(np.unique(label.dataobj)) <= {0, 1, 2, 4}
    text = (folder / "README.txt").read_text()
    assert "No patient was scanned" in text
    assert "Louis Collins" in text
    assert image.shape == tuple(head_size((6.0, 6.0, 6.0)))
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    paint_brain_phantoms(folder, num_cases=1, spacing_mm=(6, 6, 6), modalities="flair")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_without_nilearn_one_line_says_what_to_install(monkeypatch):
    load_brain_maps.cache_clear()
    monkeypatch.setitem(sys.modules, "nilearn.datasets", None)
    with pytest.raises(InputError, match="painted brains need the package nilearn"):
        load_brain_maps()
    with pytest.raises(InputError, match="install it"):
        BrainPainter((4.0,) * 3)
