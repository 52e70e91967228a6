import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from shared.data import find_breast_cases, group_near_duplicates, picture_similarity
from shared.errors import InputError
from shared.phantoms import paint_breast


@pytest.fixture
def write(tmp_path):
    def save(name, pixels):
        Image.fromarray(np.asarray(pixels).round().clip(0, 255).astype(np.uint8)).save(tmp_path / name)
        return tmp_path / name

    return save


@pytest.fixture
def scenes():
    """Three unlike pictures, all dark at the bottom and bright at the top."""
    random, shade = np.random.default_rng(0), np.linspace(150, 30, 120)[:, None]
    return [shade + 500 * ndimage.gaussian_filter(random.normal(0, 1, (120, 160)), 3) for _ in range(3)]


def test_correlation_of_a_picture_with_itself_and_its_negative(write, scenes):
    noise = 128 + 10 * np.random.default_rng(1).standard_normal((48, 48))
    found = picture_similarity([write("a.png", noise), write("b.png", noise), write("c.png", 256 - noise)])
    np.testing.assert_allclose(found[0, 1], 1, atol=1e-5)
    np.testing.assert_array_equal(found, found.T)
    assert np.abs(found[0, 2]) < 0.2  # -1 where they lie on each other, but the best shift counts


def test_sixteen_bits_are_like_eight(tmp_path, write, scenes):
    Image.fromarray((257 * scenes[0].round().clip(0, 255)).astype(np.uint16)).save(tmp_path / "deep.png")
    found = picture_similarity([tmp_path / "deep.png", write("a.png", scenes[0]), write("b.png", scenes[1])])
    assert found[0, 1] > 0.99
    assert found[0, 2] < 0.5


@pytest.mark.parametrize(
    "change",
    [
        lambda picture: 0.4 * picture + 60,  # gain
        lambda picture: picture * np.linspace(1, 0.3, picture.shape[1]),  # gain from left to right
        lambda picture: picture + np.random.default_rng(5).normal(0, 15, picture.shape),  # speckle
        lambda picture: ndimage.shift(picture, (4, -9), mode="nearest"),
        lambda picture: picture[3:-2, 5:-1],  # cut
        lambda picture: np.where(np.indices(picture.shape).sum(0) % 80 < 3, 255, picture),  # marks
    ],
)
def test_a_changed_copy_is_a_near_duplicate(write, scenes, change):
    names = [write(f"{i}.png", scene) for i, scene in enumerate(scenes)] + [write("copy.png", change(scenes[1]))]
    assert group_near_duplicates(names) == [0, 1, 2, 1]


def test_a_mirrored_copy_is_not_recognised(write, scenes):
    assert group_near_duplicates([write("a.png", scenes[0]), write("b.png", scenes[0][:, ::-1])]) == [0, 1]


def test_dark_and_flat_pictures_are_not_near_duplicates(write, scenes):
    dark = [write(f"dark_{i}.png", 0.04 * scene) for i, scene in enumerate(scenes)]
    flat = [write(f"flat_{i}.png", np.full((20, 30), i)) for i in range(2)]
    assert group_near_duplicates(dark + flat) == list(range(5))


def test_a_dark_form_in_common_is_not_enough(write, scenes):
    rows, columns = np.indices(scenes[0].shape)
    cyst = np.hypot((rows - 55) / 25, (columns - 80) / 40) < 1
    alike = [write(f"{i}.png", np.where(cyst, 0, 120 + scene)) for i, scene in enumerate(scenes)]
    assert group_near_duplicates(alike) == [0, 1, 2]


def test_groups_chain(write, scenes):
    first, other = scenes[0], scenes[1]
    mixed = [write(f"{i}.png", (1 - share) * first + share * other) for i, share in enumerate((0, 0.5, 1))]
    found = picture_similarity(mixed)
    assert found[0, 2] < 0.5 < min(found[0, 1], found[1, 2])
    assert group_near_duplicates([mixed[0], mixed[2], mixed[1]]) == [0, 0, 0]
    assert group_near_duplicates(mixed, similarity=0.99) == [0, 1, 2]


def test_colours_and_sizes_do_not_matter(write, scenes):
    coloured = np.repeat(scenes[0][..., None], 3, axis=-1)
    smaller = ndimage.zoom(scenes[0], 0.6, order=1)
    assert (
        group_near_duplicates([write("a.png", scenes[0]), write("b.png", coloured), write("c.bmp", smaller)]) == [0] * 3
    )


def test_two_views_of_a_phantom_are_near_duplicates_and_two_phantoms_are_not(write):
    names = [
        write(f"{number}_{view}.png", paint_breast(number, (96, 128), "benign", view=view)[0])
        for number in range(4)
        for view in range(2)
    ]
    assert group_near_duplicates(names) == [0, 0, 2, 2, 4, 4, 6, 6]


def test_nothing_to_compare():
    assert group_near_duplicates([]) == []


def test_bad_input_is_named(tmp_path, write, scenes):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"broken.png: cannot be read as an image"):
        group_near_duplicates([write("a.png", scenes[0]), tmp_path / "broken.png"])
    with pytest.raises(InputError, match=r"similarity 50: is a correlation"):
        group_near_duplicates([], similarity=50)


def test_real_pictures_that_were_looked_at():
    if "SEGMENTATION_DATA" not in os.environ:
        pytest.skip("SEGMENTATION_DATA is not set: no real data here")
    folder = Path(os.environ["SEGMENTATION_DATA"], "busi/Dataset_BUSI_with_GT")
    same = (
        ("benign (85)", "benign (164)", "malignant (52)"),
        ("malignant (128)", "malignant (129)"),
        ("normal (9)", "normal (10)"),
    )
    unlike = "benign (13)", "benign (434)", "malignant (208)", "malignant (1)", "benign (62)", "malignant (181)"
    images = {case["case"]: case["image"] for case in find_breast_cases(folder, ["normal", "benign", "malignant"])}
    names = [name for group in same for name in group] + list(unlike)
    groups = dict(zip(names, group_near_duplicates([images[name] for name in names]), strict=True))
    assert [groups[name] for name in names] == [0, 0, 0, 3, 3, 5, 5, *range(7, 13)]
