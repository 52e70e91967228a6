"""A painted brain: what a reader of the images may rely on. Cases are painted once for all tests, at 4 mm."""

import time

import numpy as np
import pytest

from shared.phantoms import BRAIN_MODALITIES, paint_brain, upright_affine
from shared.phantoms.head_pose import HeadPose
from shared.phantoms.lesion_kinds import LESIONS, SHARES
from shared.phantoms.mni_maps import load_brain_maps
from shared.phantoms.mr_contrasts import RANGES
from shared.phantoms.painted_brain import head_size, random_stream

pytest.importorskip("nilearn", reason="the anatomy of painted brains needs nilearn, which is not installed")

MM = 4.0
SIZE = head_size((MM,) * 3)
GRID = upright_affine(SIZE, (MM,) * 3)
ML = MM**3 / 1000


def paint(seed, size=SIZE, affine=GRID, **options):
    return paint_brain(seed, size=size, affine=affine, **options)


@pytest.fixture(scope="module")
def cases():
    return [paint((0, index), free_share=0.0) for index in range(12)]


def test_one_seed_gives_the_same_bits_and_another_another_head(cases):
    again = paint((0, 3), free_share=0.0)
    assert all(np.array_equal(again[name], cases[3][name]) for name in again)
    assert not np.array_equal(cases[3]["t1"] > 0, cases[4]["t1"] > 0)


def test_seeds_of_folders_validation_and_training_never_give_one_stream():
    """NumPy alone takes (0, 5), (0, 5, 0) and (5 * 2**32, 0) for the same."""
    seeds = [(0, 5), (0, 5, 0), (0, 5, 0, 0), (5, 0), 5, (2**31, 5), (2**31, 5, 0)]
    first = [random_stream(seed, stream).random() for seed in seeds for stream in range(8)]
    assert len(set(first)) == len(first)
    assert random_stream((0, 5), 1).random() == random_stream([0, 5], 1).random()


def test_a_modality_is_the_same_without_the_others(cases):
    alone = paint((0, 3), modalities=("flair",), free_share=0.0)
    assert sorted(alone) == ["flair", "label"]
    np.testing.assert_array_equal(alone["flair"], cases[3]["flair"])


def test_air_is_zero_in_all_modalities_and_nothing_is_labelled_outside_the_brain(cases):
    for case in cases:
        brain = case["t1"] > 0
        assert 900 < brain.sum() * ML < 2300
        assert case["label"].any()
        assert not case["label"][~brain].any()
        for name in BRAIN_MODALITIES:
            np.testing.assert_array_equal(case[name] > 0, brain)
            assert case[name].dtype == np.int16


def test_size_side_and_pose_vary(cases):
    volumes = [(case["t1"] > 0).sum() * ML for case in cases]
    assert np.std(volumes) > 50
    sides = [np.sign(np.argwhere(case["label"] > 0)[:, 0].mean() - (SIZE[0] - 1) / 2) for case in cases]
    assert 2 <= sides.count(1.0) <= 10
    poses = np.array([HeadPose(np.random.default_rng(seed)).to_atlas for seed in range(20)])
    assert 0.03 < poses[:, 0, 1].std() < 0.3  # radians, nearly


def test_classes_are_as_bright_as_in_life(cases):
    """Each against the rest of the brain, in its deviations; the order of classes that real patients show."""
    seen = {name: [] for name in BRAIN_MODALITIES}
    for case in cases:
        brain = case["t1"] > 0
        rest = brain & (case["label"] == 0)
        for name, found in seen.items():
            image = case[name].astype(float)
            classes = [image[case["label"] == c] for c in (1, 2, 3)]
            means = [part.mean() if len(part) > 8 else np.nan for part in classes]
            found.append((np.array(means) - image[rest].mean()) / image[rest].std())
    necrosis, oedema, enhancing = (
        np.nanmean([seen[name] for name in BRAIN_MODALITIES], axis=1)[:, c] for c in range(3)
    )
    t1, t1ce, t2, flair = range(4)
    assert min(oedema[flair], enhancing[flair]) > 1.0
    assert oedema[t2] > 0.3
    assert enhancing[t1ce] > max(1.0, necrosis[t1ce] + 0.5)
    assert enhancing[t1ce] > enhancing[t1] + 0.8
    assert necrosis[t1] < 0
    assert necrosis[t2] > oedema[t2]


def test_ranges_order_the_healthy_tissues_as_in_life():
    middle = {name: {tissue: np.mean(limits) for tissue, limits in table.items()} for name, table in RANGES.items()}
    assert middle["t1"]["white"] > middle["t1"]["grey"] > middle["t1"]["fluid"]
    assert middle["t2"]["fluid"] > middle["t2"]["grey"] > middle["t2"]["white"]
    assert middle["flair"]["oedema"] > middle["flair"]["grey"] > middle["flair"]["white"] > middle["flair"]["fluid"]
    assert all(table.keys() == RANGES["t1"].keys() for table in RANGES.values())
    assert sum(SHARES.values()) == pytest.approx(1.0)
    assert SHARES.keys() == LESIONS.keys()


def test_one_head_is_the_same_at_every_spacing():
    volumes = []
    for spacing in (2.5, 4.0):
        size = head_size((spacing,) * 3)
        case = paint(
            (7, 1), size=size, affine=upright_affine(size, (spacing,) * 3), modalities=("t1",), tumours="low_grade"
        )
        volumes.append([count * spacing**3 / 1000 for count in ((case["t1"] > 0).sum(), (case["label"] > 0).sum())])
    np.testing.assert_allclose(volumes[0], volumes[1], rtol=0.15)


def test_a_case_at_2_mm_costs_at_most_two_seconds_of_a_core():
    load_brain_maps()
    size, start = head_size((2.0,) * 3), time.process_time()
    paint((3, 0), size=size, affine=upright_affine(size, (2.0,) * 3), tumours="high_grade")
    assert time.process_time() - start < 2.0
