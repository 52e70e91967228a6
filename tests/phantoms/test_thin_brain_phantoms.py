"""Phantoms with thin structures, and that those without are what they always were."""

import json

import numpy as np
import pytest
from scipy import ndimage

from shared.errors import InputError
from shared.phantoms import paint_brats_phantoms
from shared.phantoms.brain_phantom_metastases import Metastases
from shared.phantoms.brain_phantom_scan import paint_case, upright_affine
from shared.phantoms.brain_phantom_shapes import Canvas

SIZE, MM = (56, 64, 48), 2.5
CUBE = np.ones((3, 3, 3))


def paint(tumours, index, modalities=("t1ce",)):
    return paint_case(index, size=SIZE, affine=upright_affine(SIZE, (MM,) * 3), modalities=modalities, tumours=tumours)


@pytest.fixture(scope="module")
def metastases():
    return [paint("metastases", index) for index in range(3)]


def test_gliomas_are_what_they_were():
    """Voxels of each class, recorded before there was a choice of tumours."""
    affine = upright_affine((24, 28, 22), (6.0, 6.0, 6.0))
    labels = [paint_case(i, size=(24, 28, 22), affine=affine, modalities=())["label"] for i in range(3)]
    assert [[int((label == c).sum()) for c in (1, 2, 3)] for label in labels] == [
        [0, 318, 276],
        [199, 363, 0],
        [69, 211, 69],
    ]


def test_record_of_gliomas_names_no_tumours(tmp_path):
    """So that folders painted before are known again."""
    small = {"num_cases": 1, "size": (12, 14, 11), "spacing_mm": (12.0, 12.0, 12.0), "modalities": "t1"}
    record = paint_brats_phantoms(tmp_path / "glioma", **small) / "phantoms.json"
    assert "tumours" not in json.loads(record.read_text())
    folder = paint_brats_phantoms(tmp_path / "thin", tumours="thin_rims", **small)
    assert json.loads((folder / "phantoms.json").read_text())["tumours"] == "thin_rims"
    with pytest.raises(InputError, match="holds other phantoms"):
        paint_brats_phantoms(folder, **small)
    with pytest.raises(InputError, match="tumours 'rings' are unknown; choose glioma or thin_rims or metastases"):
        paint_brats_phantoms(tmp_path / "rings", tumours="rings", **small)


def test_every_rim_is_one_to_two_voxels_thick():
    for index in range(3):
        label = paint("thin_rims", index, modalities=())["label"]
        rim = label == 3
        assert rim.sum() > 200
        thick = ndimage.binary_opening(rim, CUBE)  # holds a cube of three voxels
        assert thick.sum() < 0.12 * rim.sum()
        assert (label == 1).sum() > 0.5 * rim.sum()


def test_thin_rims_lie_in_the_heads_of_the_gliomas():
    plain, thin = (paint(tumours, 0) for tumours in ("glioma", "thin_rims"))
    np.testing.assert_array_equal(plain["label"] == 2, thin["label"] == 2)
    far = ~ndimage.binary_dilation(plain["label"] > 0, CUBE, iterations=4)
    np.testing.assert_array_equal(plain["t1ce"][far], thin["t1ce"][far])
    assert (plain["t1ce"] != thin["t1ce"]).any()


def test_metastases_are_several_small_and_have_little_oedema(metastases):
    for case in metastases:
        core = np.isin(case["label"], (1, 3))
        parts, number = ndimage.label(core, CUBE)
        assert 3 <= number <= 10
        volumes = ndimage.sum_labels(core, parts, range(1, number + 1)) * MM**3
        assert volumes.max() <= 2.5 * np.pi / 6 * 11**3  # two may touch, and edges are rough
        assert volumes.max() > 2 * MM**3
        assert (case["label"] == 2).sum() * MM**3 < 8000


def test_metastases_enhance(metastases):
    for case in metastases:
        image, label = case["t1ce"].astype(float), case["label"]
        healthy = image[(label == 0) & (image > 0)]
        assert (np.median(image[label == 3]) - np.median(healthy)) / healthy.std() > 1.2


def test_a_metastasis_is_a_ball_whose_middle_is_necrotic_if_it_is_large():
    """The first of a case, of 8 to 10 mm across, on a grid of 0.5 mm."""
    painted = Metastases(np.random.default_rng(0))
    (ball,) = painted.balls = painted.balls[:1]
    grid = 0.5 * np.indices((32, 32, 32), dtype=np.float32).reshape(3, -1).T - 7.75
    label = painted.paint(Canvas.of_white_matter(len(grid), 0.5), grid + ball.centre)
    assert np.isin(label, (1, 3)).sum() / 8 == pytest.approx(4 / 3 * np.pi * ball.radius**3, rel=0.3)
    assert np.linalg.norm(grid[label == 1], axis=1).max() < 0.6 * ball.radius
    assert (label == 1).any()
