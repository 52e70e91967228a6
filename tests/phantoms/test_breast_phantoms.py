import json

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from ci.__main__ import main
from shared.data import find_breast_cases
from shared.errors import InputError
from shared.phantoms import paint_breast, paint_breast_phantoms

CLASSES = ["normal", "benign", "malignant"]
SMALL = {"num_normal": 2, "num_benign": 8, "num_malignant": 3, "size": (64, 80)}
SIZE = (96, 128)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return paint_breast_phantoms(tmp_path_factory.mktemp("phantoms") / "set", **SMALL)


@pytest.fixture(scope="module")
def painted():
    """{kind: [(picture, mask)]}."""
    return {
        kind: [(picture, sum(masks, np.zeros(SIZE, bool))) for picture, masks in views]
        for kind, views in ((kind, [paint_breast(i, SIZE, kind) for i in range(16)]) for kind in CLASSES)
    }


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_layout_is_that_of_busi(folder):
    cases = {case["case"]: case for case in find_breast_cases(folder, CLASSES, needs_label=True)}
    assert len(cases) == 13
    for case in cases.values():
        picture = Image.open(case["image"])
        assert picture.mode == "RGB"
        masks = [np.asarray(Image.open(path)) for path in case["mask"]]
        for mask in masks:
            assert mask.shape == picture.size[::-1]
            assert set(np.unique(mask)) == ({0} if case["class"] == 0 else {0, 255})
        assert len(masks) == (2 if case["case"] in ("benign (3)", "malignant (3)") else 1)
        assert len(masks) != 2 or not (masks[0] & masks[1]).any()


def test_the_folder_says_that_they_are_phantoms(folder):
    text = (folder / "README.txt").read_text()
    assert "These are PHANTOMS" in text
    assert "benign (7) and (8)." in text
    assert json.loads((folder / "phantoms.json").read_text())["num_benign"] == 8


def test_an_image_is_the_same_in_every_set_of_its_seed(folder, tmp_path):
    fewer = contents(paint_breast_phantoms(tmp_path / "fewer", **{**SMALL, "num_benign": 2, "num_normal": 0}))
    pictures = {name: data for name, data in fewer.items() if name.endswith(".png")}
    assert len(pictures) == 4 + 7
    assert pictures.items() <= contents(folder).items()
    other = contents(paint_breast_phantoms(tmp_path / "other", **SMALL, seed=1))
    assert all(other[name] != data for name, data in pictures.items())


def test_painting_again_does_nothing_unless_something_is_missing(folder):
    times, before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}, contents(folder)
    paint_breast_phantoms(folder, **SMALL)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")} == times
    (folder / "benign/benign (8)_mask.png").unlink()
    paint_breast_phantoms(str(folder), **SMALL)
    assert contents(folder) == before
    with pytest.raises(InputError, match="other phantoms"):
        paint_breast_phantoms(folder, **SMALL, seed=1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_benign": -1}, "whole numbers of at least 0"),
        ({"num_normal": 0, "num_benign": 0, "num_malignant": 0}, "one of the first three more"),
        ({"seed": 0.5}, "whole numbers"),
        ({"size": (64, 32)}, "size: give rows and columns, at least 64"),
        ({"size": 64}, "size: give rows and columns"),
    ],
)
def test_wrong_settings_are_named(tmp_path, wrong, message):
    with pytest.raises(InputError, match=message):
        paint_breast_phantoms(tmp_path / "none", **wrong)
    assert not (tmp_path / "none").exists()


def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match="kind 'cyst' is unknown"):
        paint_breast(0, SIZE, "cyst")


def test_masks_are_single_lesions_of_a_likely_size(painted):
    for kind in ("benign", "malignant"):
        for picture, mask in painted[kind]:
            assert picture.shape == mask.shape == SIZE
            assert picture.dtype == np.uint8
            assert ndimage.label(mask)[1] == 1
            assert 0.003 < mask.mean() < 0.2
    assert not any(mask.any() for _, mask in painted["normal"])


def test_no_threshold_finds_the_lesions(painted):
    lesions = painted["benign"] + painted["malignant"]
    for width in (0, 1, 3):
        smooth = [(ndimage.gaussian_filter(picture.astype(float), width), mask) for picture, mask in lesions]
        for level in range(5, 160, 8):
            dice = [2 * (mask & (grey < level)).sum() / (mask.sum() + (grey < level).sum()) for grey, mask in smooth]
            assert np.mean(dice) < 0.4


def test_brightness_and_contrast_do_not_tell_the_class(painted):
    for measure in (np.mean, np.std, np.max):
        values = [[float(measure(picture)) for picture, _ in painted[kind]] for kind in CLASSES]
        for one, other in ((0, 1), (0, 2), (1, 2)):
            pairs = np.subtract.outer(values[one], values[other])
            assert 0.1 < ((pairs > 0) + 0.5 * (pairs == 0)).mean() < 0.9  # the area under the ROC curve


def test_borders_tell_benign_from_malignant_and_rears_do_in_most_cases(painted):
    def roughness(mask):
        depth = ndimage.gaussian_filter(mask.astype(float), np.sqrt(mask.sum()) / 8)
        return (mask ^ (depth > 0.5)).sum() / mask.sum()

    def rear(picture, mask):
        bottom, columns = np.argwhere(mask)[:, 0].max(), mask.any(axis=0)
        behind = picture[bottom + 2 : bottom + 20].astype(float)
        return np.median(behind[:, columns]) - np.median(behind[:, ~columns])

    benign, malignant = painted["benign"], painted["malignant"]
    rough = [[roughness(mask) for _, mask in half] for half in (benign, malignant)]
    assert (np.subtract.outer(rough[1], rough[0]) > 0).mean() > 0.95
    rears = [[rear(*pair) for pair in half] for half in (benign, malignant)]
    assert 0.6 < (np.subtract.outer(rears[0], rears[1]) > 0).mean() < 0.95


def test_views_show_the_same_tissue_with_other_speckle():
    (one, (mask,)), (other, (other_mask,)) = (paint_breast((0, 5), SIZE, "malignant", view=view) for view in range(2))
    assert (one != other).mean() > 0.5
    assert abs(int(mask.sum()) - int(other_mask.sum())) <= 2
    moved = np.subtract(*(np.argwhere(found).mean(axis=0) for found in (mask, other_mask)))
    assert 0 < np.abs(moved).max() <= 0.08 * SIZE[1]


def test_speckle_is_that_of_a_rayleigh_distribution():
    """The intensity of one look is exponential; of three looks, its standard deviation is 1 / sqrt(3) of its mean."""
    from shared.phantoms import breast_phantom_tissue

    flat = breast_phantom_tissue._scan(np.random.default_rng(0), np.full((300, 300), -25.0))
    power = 10 ** ((flat / 255.0 - 1) * breast_phantom_tissue.RANGE_DB / 10)
    np.testing.assert_allclose(power.std() / power.mean(), 1 / np.sqrt(3), atol=0.03)


def test_the_command_paints_them(tmp_path, capsys):
    options = ["--out", str(tmp_path / "set"), "--kind", "breast", "--num_normal", "1", "--num_benign", "1"]

    def run(*arguments):
        main(["paint-phantoms", *arguments])

    run(*options, "--num_malignant", "1", "--size", "[64,64]")
    assert capsys.readouterr().out == f"3 phantoms (painted, no patients) are in {tmp_path / 'set'}\n"
    with pytest.raises(InputError, match="option --num_train is unknown for kind breast; choose from num_norm"):
        run(*options, "--num_train", "3")
