import json

import nibabel
import numpy as np
import pytest

from shared.data import find_mri_cases
from shared.errors import InputError
from shared.phantoms import paint_prostate, paint_prostate_phantoms, prostate_affine
from shared.phantoms.prostate_phantom_anatomy import TISSUES, Pelvis

COARSE = {"size": (30, 28, 10), "spacing_mm": (4.0, 4.0, 7.0)}
FINE = {"size": (66, 66, 14), "affine": prostate_affine((66, 66, 14), (1.5, 1.5, 5.0))}


@pytest.fixture(scope="module")
def cases():
    return [paint_prostate(index, **FINE) for index in range(5)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return paint_prostate_phantoms(tmp_path_factory.mktemp("phantoms") / "msd", num_cases=3, **COARSE)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def load(path):
    return np.asarray(nibabel.load(path).dataobj)


def test_layouts_hold_the_same_case_with_their_own_numbers(folder, tmp_path):
    painted = paint_prostate(0, size=COARSE["size"], affine=prostate_affine(*COARSE.values()))
    (case, *_) = find_mri_cases(folder, ["t2", "adc"], "msd", needs_label=True)
    assert [case["t2"][1], case["adc"][1]] == [0, 1]
    for name in ("t2", "adc"):
        np.testing.assert_array_equal(load(case[name][0])[..., case[name][1]], painted[name])
    np.testing.assert_array_equal(load(case["label"]), painted["label"])
    listing = json.loads((folder / "dataset.json").read_text())
    assert listing["modality"] == {"0": "T2", "1": "ADC"}
    assert listing["labels"] == {"0": "background", "1": "PZ", "2": "TZ"}

    separate = paint_prostate_phantoms(tmp_path / "p158", num_cases=1, layout="prostate158", **COARSE)
    (case,) = find_mri_cases(separate, ["t2", "adc"], "prostate158", needs_label=True)
    np.testing.assert_array_equal(load(case["t2"]), painted["t2"])
    np.testing.assert_array_equal(load(case["label"]), np.array([0, 2, 1])[painted["label"]])
    adc = nibabel.load(case["adc"])
    assert adc.shape == (15, 14, 10)
    np.testing.assert_allclose(adc.header.get_zooms(), (8, 8, 7))


def test_same_seed_same_bytes_and_other_seed_others(folder, tmp_path):
    again = paint_prostate_phantoms(tmp_path / "again", num_cases=3, **COARSE)
    assert contents(again) == contents(folder)
    other = paint_prostate_phantoms(tmp_path / "other", num_cases=3, seed=1, **COARSE)
    assert all(contents(other)[name] != data for name, data in contents(folder).items() if name.endswith(".nii.gz"))


def test_files_say_that_they_are_painted(folder):
    assert "PHANTOMS" in (folder / "README.txt").read_text()
    for path in folder.rglob("*.nii.gz"):
        assert b"phantom" in nibabel.load(path).header["descrip"].tobytes()


def test_sizes_are_those_of_patients(cases):
    """Of 26 maps of Task05, 24 hold both zones: 16 to 202 ml, the peripheral zone 6 to 64 % of it, 30 to 72 mm high."""
    voxel_ml = 1.5 * 1.5 * 5.0 / 1000
    for case in cases:
        peripheral, transition = ((case["label"] == klass).sum() * voxel_ml for klass in (1, 2))
        assert 16 < peripheral + transition < 202
        assert 0.06 < peripheral / (peripheral + transition) < 0.64
        assert 30 <= 5 * (case["label"] > 0).any(axis=(0, 1)).sum() <= 72


def test_the_peripheral_zone_is_behind_and_around(cases):
    for case in cases:
        places = [np.argwhere(case["label"] == klass).mean(axis=0) for klass in (1, 2)]
        assert (places[1] - places[0])[1] * 1.5 > 2.0


def test_modalities_show_what_they_show_in_patients(cases):
    """The peripheral zone is brighter in T2 and in ADC on the whole, but not in each case in each of the two."""
    ratios = np.array(
        [[case[name][case["label"] == 1].mean() / case[name][case["label"] == 2].mean() for name in ("t2", "adc")]
         for case in cases]
    )  # fmt: skip
    assert (np.median(ratios, axis=0) > 1.1).all()
    assert (ratios.max(axis=1) > 1.05).all()
    assert (ratios.min(axis=0) < 1.1).all()


def test_restricted_diffusion_is_dark_in_adc():
    """Where a lesion is, the ADC is lower than in the rest of its zone."""
    points = np.indices(FINE["size"], dtype=np.float32).reshape(3, -1).T @ np.float32(FINE["affine"][:3, :3].T)
    points += np.float32(FINE["affine"][:3, 3])
    seen = 0
    for index in range(12):
        shares, label = Pelvis(np.random.default_rng((0, index, 0))).paint(points, 1.5)
        lesion = (shares[:, TISSUES.index("lesion")] > 0.7) & (label == 1)
        rest = (shares[:, TISSUES.index("peripheral")] > 0.9) & (label == 1)
        if lesion.sum() > 8:
            adc = paint_prostate(index, **FINE, modalities=("adc",))["adc"].reshape(-1)
            assert adc[lesion].mean() < 0.85 * adc[rest].mean()
            seen += 1
    assert seen >= 2


def test_a_modality_is_the_same_without_the_other(cases):
    for name in ("t2", "adc"):
        np.testing.assert_array_equal(paint_prostate(0, **FINE, modalities=(name,))[name], cases[0][name])


def test_missing_modalities_are_some_but_never_all(tmp_path):
    paint_prostate_phantoms(
        tmp_path / "some", num_cases=8, layout="prostate158", missing_share=0.5, size=(8, 8, 4), spacing_mm=(14, 14, 16)
    )
    counts = [len(list(case.glob("*.nii.gz"))) - 1 for case in sorted((tmp_path / "some").glob("Phantom_*"))]
    assert set(counts) == {1, 2}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"layout": "brats2021"}, "layout 'brats2021' is unknown; choose msd or prostate158"),
        ({"num_cases": 0}, "num_cases and seed"),
        ({"spacing_mm": (1, 1, 0)}, "spacing_mm: three positive numbers"),
        ({"missing_share": 0.5}, "missing_share: .* and 0 in layout msd"),
    ],
)
def test_wrong_settings_are_named(tmp_path, wrong, message):
    with pytest.raises(InputError, match=message):
        paint_prostate_phantoms(tmp_path / "none", **wrong)
    assert not (tmp_path / "none").exists()


def test_other_data_are_neither_overwritten_nor_mixed_with_phantoms(folder, tmp_path):
    (tmp_path / "patient_1").mkdir()
    with pytest.raises(InputError, match="something else than phantoms"):
        paint_prostate_phantoms(tmp_path, **COARSE)
    with pytest.raises(InputError, match="other phantoms"):
        paint_prostate_phantoms(folder, num_cases=2, **COARSE)
