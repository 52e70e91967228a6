"""Painted brains in files: the published layouts, the same bytes for the same seed, no mixture with other data."""

import json

import nibabel as nib
import numpy as np
import pytest

from ci.__main__ import main
from shared.data import find_mri_cases
from shared.errors import InputError
from shared.phantoms import paint_brats_phantoms
from shared.phantoms.brain_phantom_scan import paint_case, upright_affine
from shared.phantoms.mr_contrasts import BRAIN_MODALITIES

COARSE = {"size": (24, 28, 22), "spacing_mm": (6.0, 6.0, 6.0)}


def load(path):
    return np.asarray(nib.load(path).dataobj)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return paint_brats_phantoms(tmp_path_factory.mktemp("data") / "phantoms", num_cases=3, **COARSE)


def test_brats_2021_layout_as_published(folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        *(f"Phantom_{i:03d}" for i in range(3)),
        "README.txt",
        "phantoms.json",
    ]
    names = sorted(path.name for path in (folder / "Phantom_001").iterdir())
    assert names == [f"Phantom_001_{end}.nii.gz" for end in ("flair", "seg", "t1", "t1ce", "t2")]
    assert "no patient" in (folder / "README.txt").read_text().lower()


def test_files_are_like_real_ones(folder):
    image = nib.load(folder / "Phantom_000" / "Phantom_000_flair.nii.gz")
    label = nib.load(folder / "Phantom_000" / "Phantom_000_seg.nii.gz")
    assert image.shape == label.shape == COARSE["size"]
    assert (image.get_data_dtype(), label.get_data_dtype()) == (np.int16, np.uint8)
    np.testing.assert_allclose(np.diag(image.affine), (-6, -6, 6, 1))
    for codes in (image.header["qform_code"], image.header["sform_code"]):
        assert codes == 1
    np.testing.assert_allclose(image.get_qform(), image.affine, atol=1e-4)
    assert b"phantom" in image.header["descrip"].tobytes()


@pytest.mark.parametrize(
    ("layout", "flair", "label", "values"),
    [
        ("brats2021", "Phantom_000/Phantom_000_flair.nii.gz", "Phantom_000/Phantom_000_seg.nii.gz", (0, 1, 2, 4)),
        ("brats2023", "Phantom_000/Phantom_000-t2f.nii.gz", "Phantom_000/Phantom_000-seg.nii.gz", (0, 1, 2, 3)),
        ("msd", "imagesTr/Phantom_000.nii.gz", "labelsTr/Phantom_000.nii.gz", (0, 2, 1, 3)),
    ],
)
def test_layouts_hold_the_same_case(tmp_path, layout, flair, label, values):
    affine = upright_affine(COARSE["size"], COARSE["spacing_mm"])
    painted = paint_case(0, size=COARSE["size"], affine=affine)
    paint_brats_phantoms(tmp_path / layout, num_cases=1, layout=layout, **COARSE)
    image = load(tmp_path / layout / flair)
    np.testing.assert_array_equal(image[..., 0] if layout == "msd" else image, painted["flair"])
    np.testing.assert_array_equal(load(tmp_path / layout / label), np.array(values)[painted["label"]])
    (case,) = find_mri_cases(tmp_path / layout, BRAIN_MODALITIES, layout=layout, needs_label=True)
    assert case["case"] == case["patient"] == "Phantom_000"
    for name in BRAIN_MODALITIES:
        volume = load(case[name][0])[..., case[name][1]] if layout == "msd" else load(case[name])
        np.testing.assert_array_equal(volume, painted[name])


def test_msd_channels_and_labels_are_named_as_in_task01(tmp_path):
    paint_brats_phantoms(tmp_path / "msd", num_cases=2, layout="msd", modalities=("t1ce", "flair"), **COARSE)
    listing = json.loads((tmp_path / "msd" / "dataset.json").read_text())
    assert listing["modality"] == {"0": "FLAIR", "1": "t1gd"}
    assert listing["labels"]["1"] == "edema"
    assert [entry["label"] for entry in listing["training"]] == [f"./labelsTr/Phantom_00{i}.nii.gz" for i in (0, 1)]


def test_same_seed_same_bytes_and_other_seed_others(folder, tmp_path):
    again = paint_brats_phantoms(tmp_path / "again", num_cases=3, **COARSE)
    assert contents(again) == contents(folder)
    other = paint_brats_phantoms(tmp_path / "other", num_cases=3, seed=1, **COARSE)
    assert all(contents(other)[name] != data for name, data in contents(folder).items() if name.endswith(".nii.gz"))


def test_a_case_hangs_neither_on_the_number_of_cases_nor_on_other_modalities(folder, tmp_path):
    paint_brats_phantoms(tmp_path / "one", num_cases=1, modalities="t2", **COARSE)
    few = {name: data for name, data in contents(tmp_path / "one").items() if name.startswith("Phantom_000/")}
    assert sorted(few) == ["Phantom_000/Phantom_000_seg.nii.gz", "Phantom_000/Phantom_000_t2.nii.gz"]
    assert few.items() <= contents(folder).items()


def test_painting_again_does_nothing_unless_something_is_missing(folder):
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    paint_brats_phantoms(folder, num_cases=3, **COARSE)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == times
    before = contents(folder)
    (folder / "Phantom_002" / "Phantom_002_t1.nii.gz").unlink()
    paint_brats_phantoms(folder, num_cases=3, **COARSE)
    assert contents(folder) == before


def test_an_interrupted_painting_is_completed(folder, tmp_path, monkeypatch):
    def stop_at_second_case(index, **rest):
        if index == 1:
            raise KeyboardInterrupt
        return paint_case(index, **rest)

    monkeypatch.setattr("shared.phantoms.brain_phantoms.paint_case", stop_at_second_case)
    with pytest.raises(KeyboardInterrupt):
        paint_brats_phantoms(tmp_path / "half", num_cases=3, **COARSE)
    monkeypatch.undo()
    assert contents(paint_brats_phantoms(tmp_path / "half", num_cases=3, **COARSE)) == contents(folder)


def test_other_data_are_neither_overwritten_nor_mixed_with_phantoms(folder, tmp_path):
    (tmp_path / "patient_1").mkdir()
    with pytest.raises(InputError, match="something else than phantoms"):
        paint_brats_phantoms(tmp_path, **COARSE)
    with pytest.raises(InputError, match="other phantoms"):
        paint_brats_phantoms(folder, num_cases=2, **COARSE)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"layout": "brats2013"}, "layout 'brats2013' is unknown"),
        ({"modalities": ("flair", "adc")}, "modalities: choose from t1, t1ce, t2, flair"),
        ({"num_cases": 0}, "num_cases and seed"),
        ({"spacing_mm": (1, 1, 0)}, "spacing_mm: three positive numbers"),
        ({"missing_share": 1.5}, "missing_share: must lie between 0 and 1"),
        ({"missing_share": 0.5, "layout": "msd"}, "missing_share: in layout msd"),
        ({"affine": np.zeros((4, 4))}, "affine: must be an invertible"),
    ],
)
def test_wrong_settings_are_named(tmp_path, wrong, message):
    with pytest.raises(InputError, match=message):
        paint_brats_phantoms(tmp_path / "none", **wrong)
    assert not (tmp_path / "none").exists()


def test_missing_modalities_are_some_but_never_all(folder, tmp_path):
    paint_brats_phantoms(tmp_path / "some", num_cases=10, missing_share=0.5, **COARSE)
    counts = [len(list(case.glob("*.nii.gz"))) - 1 for case in sorted((tmp_path / "some").glob("Phantom_*"))]
    assert set(counts) <= {1, 2, 3, 4}
    assert 2 <= sum(count < 4 for count in counts) <= 8
    complete, some = contents(folder), contents(tmp_path / "some")
    kept = {name: data for name, data in some.items() if name.endswith(".gz") and name in complete}
    assert kept.items() <= complete.items()


def test_an_affine_is_written_as_given(tmp_path):
    affine = [[0, 0, 6.5, -70], [-6, 0, 0, 70], [0, 5, 0, -60], [0, 0, 0, 1]]
    paint_brats_phantoms(tmp_path / "turned", num_cases=1, size=(24, 24, 22), affine=affine, modalities="t1")
    for name in ("t1", "seg"):
        image = nib.load(tmp_path / "turned" / "Phantom_000" / f"Phantom_000_{name}.nii.gz")
        np.testing.assert_allclose(image.affine, affine)
        np.testing.assert_allclose(image.get_qform(), affine, atol=1e-4)


def test_the_command_paints_and_says_so_in_one_line(tmp_path, capsys):
    options = ["--out", str(tmp_path / "set"), "--num_cases", "1", "--size", "[24,28,22]", "--spacing_mm", "[6,6,6]"]
    main(["paint-phantoms", "--kind", "ellipsoid", *options, "--modalities", "[flair]"])
    assert capsys.readouterr().out == f"1 phantoms (painted, no patients) are in {tmp_path / 'set'}\n"
    assert len(find_mri_cases(tmp_path / "set", "flair", needs_label=True)) == 1
    with pytest.raises(InputError, match="layout 'brats' is unknown"):
        main(["paint-phantoms", "--kind", "ellipsoid", *options, "--layout", "brats"])
