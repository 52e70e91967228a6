"""Painted brains show in each modality what it shows in life, and no threshold finds the tumour."""

import nibabel as nib
import numpy as np
import pytest

from shared.phantoms.brain_phantom_scan import paint_case, upright_affine
from shared.phantoms.mr_contrasts import BRAIN_MODALITIES

FINE_SIZE, FINE_MM = (36, 40, 32), (4.0, 4.0, 4.0)
COARSE_SIZE, COARSE_MM = (24, 28, 22), (6.0, 6.0, 6.0)


@pytest.fixture(scope="module")
def fine_cases():
    return [paint_case(i, size=FINE_SIZE, affine=upright_affine(FINE_SIZE, FINE_MM)) for i in range(12)]


@pytest.fixture(scope="module")
def coarse_labels():
    affine = upright_affine(COARSE_SIZE, COARSE_MM)
    return [paint_case(i, seed=5, size=COARSE_SIZE, affine=affine, modalities=())["label"] for i in range(24)]


def test_air_is_zero_and_the_brain_is_positive_in_all_modalities(fine_cases):
    for case in fine_cases:
        brain = case["t1"] > 0
        assert 800 < brain.sum() * 0.064 < 1400  # millilitres
        assert not case["label"][~brain].any()
        for name in BRAIN_MODALITIES:
            np.testing.assert_array_equal(case[name] > 0, brain)
            assert case[name].min() == 0
            assert case[name].max() < 10000


def test_every_case_has_a_tumour_but_not_every_tumour_all_classes(coarse_labels):
    millilitres = np.array([[(label == c).sum() * 0.216 for c in (1, 2, 3)] for label in coarse_labels])
    assert millilitres.sum(axis=1).min() > 15
    assert (millilitres[:, 1] > 0).all()  # oedema
    without = (millilitres == 0).sum(axis=0)
    assert 2 <= without[2] <= 9, "some do not enhance"
    assert 2 <= without[0] <= 9, "some have no necrosis"


def test_each_modality_shows_what_it_shows_in_life(fine_cases):
    contrast = {
        name: [] for name in BRAIN_MODALITIES
    }  # oedema, enhancing, necrosis, each against the healthy brain, in SD
    for case in fine_cases:
        if not all((case["label"] == c).sum() > 20 for c in (1, 2, 3)):
            continue
        for name, found in contrast.items():
            healthy = case[name][(case["label"] == 0) & (case["t1"] > 0)]
            white, spread = np.median(healthy), healthy.std()
            found.append([(np.median(case[name][case["label"] == c]) - white) / spread for c in (2, 3, 1)])
    oedema, enhancing, necrosis = np.mean([contrast[name] for name in BRAIN_MODALITIES], axis=1).T
    t1, t1ce, t2, flair = range(4)
    assert min(oedema[t2], oedema[flair]) > 0.8 > 0.6 > max(abs(oedema[t1]), abs(oedema[t1ce]))
    assert enhancing[t1ce] > 1.5 > 0.5 > enhancing[t1]
    assert max(enhancing[t2] - oedema[t2], enhancing[flair] - oedema[flair]) < 0.3, "enhancement shows in T1ce only"
    assert max(necrosis[t1], necrosis[t1ce]) < -0.8
    assert necrosis[t2] > oedema[t2]
    assert necrosis[flair] < oedema[flair] - 0.8


def test_the_head_lies_at_the_same_place_in_the_world_on_any_grid():
    oblique = np.array([[0, 0.5, 5.5], [-3.6, 0.7, -0.5], [0.3, 4.0, -0.6]])  # axes swapped, flipped and tilted
    size = (48, 36, 26)
    turned = np.eye(4)
    turned[:3, :3], turned[:3, 3] = oblique, -oblique @ ((np.array(size) - 1) / 2) + (2.0, -1.0, 1.5)
    found = []
    for grid, shape in ((upright_affine(FINE_SIZE, FINE_MM), FINE_SIZE), (turned, size)):
        label = paint_case(7, size=shape, affine=grid, modalities=())["label"]
        for region in ((1, 2, 3), (1, 3)):
            inside = np.argwhere(np.isin(label, region))
            centre = nib.affines.apply_affine(grid, inside.mean(axis=0))
            found.append([*centre, len(inside) * abs(np.linalg.det(grid[:3, :3])) / 1000])
    upright, tilted = np.array(found).reshape(2, 2, 4)
    np.testing.assert_allclose(tilted[:, :3], upright[:, :3], atol=1.5)  # millimetres
    np.testing.assert_allclose(tilted[:, 3], upright[:, 3], rtol=0.06)  # millilitres


def test_no_threshold_on_flair_finds_the_tumour(fine_cases):
    scores = []
    for case in fine_cases:
        flair, tumour = case["flair"].astype(float), case["label"] > 0
        brain = flair > 0
        flair = (flair - flair[brain].mean()) / flair[brain].std()
        found = [brain & (flair > threshold) for threshold in np.arange(0.0, 3.0, 0.1)]
        scores.append([2 * (tumour & above).sum() / (tumour.sum() + above.sum()) for above in found])
    assert 0.5 < np.mean(scores, axis=0).max() < 0.80  # a trained network must do better
