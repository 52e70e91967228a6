"""Sinuses, dura, choroid plexus and flowing CSF of painted heads: where they are, how bright, never labelled."""

import numpy as np
import pytest

from shared.phantoms import painted_brain, upright_affine
from shared.phantoms.brain_extraction import draw_brain_mask
from shared.phantoms.head_extras import head_extras
from shared.phantoms.head_grid import HeadGrid
from shared.phantoms.head_pose import HeadPose
from shared.phantoms.head_sinuses import SINUS_COURSES, sinuses, tentorium
from shared.phantoms.mni_maps import load_brain_maps
from shared.phantoms.painted_brain import head_size, paint_brain

pytest.importorskip("nilearn", reason="the anatomy of painted brains needs nilearn, which is not installed")

MM = 3.0


def head_of(seed):
    size = head_size((MM,) * 3)
    grid = HeadGrid.of_affine(size, upright_affine(size, (MM,) * 3))
    return HeadPose(np.random.default_rng(seed)).sample(grid, load_brain_maps())


@pytest.fixture(scope="module")
def heads():
    """Three heads and what else they hold."""
    made = [head_of(seed) for seed in range(3)]
    return [(h, head_extras(np.random.default_rng(seed), h, load_brain_maps())) for seed, h in enumerate(made)]


def test_one_seed_gives_the_same_sinuses_and_another_others(heads):
    head, maps = heads[0][0], load_brain_maps()
    one, again, other = (sinuses(np.random.default_rng(seed), head, maps) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_sinuses_pass_through_the_middle_of_every_course(heads):
    """Of the first piece of each course, in one of six draws: a sinus may be thin."""
    head, maps = heads[0][0], load_brain_maps()
    drawn = np.maximum.reduce([sinuses(np.random.default_rng(seed), head, maps) for seed in range(6)])
    for courses in SINUS_COURSES.values():
        for course, radius in courses:
            start, end = np.float32(course[0]), np.float32(course[1])
            off = np.linalg.norm(head.place - ((start + end) / 2)[:, None, None, None], axis=0)
            assert off.min() > 4 or drawn[off < max(radius, MM)].max() > 0.2


def test_sinuses_are_at_the_border_or_in_the_midline_and_about_as_large_as_in_life(heads):
    for head, extras in heads:
        inside = (extras["sinus"] > 0.5) & (head.depth > -3)
        assert 2 < inside.sum() * MM**3 / 1000 < 60  # millilitres
        near_border = (head.depth < 9) | (np.abs(head.side) < 6)
        assert near_border[inside].mean() > 0.85
        behind = inside & (head.place[1] < -40) & (head.place[2] < 0) & (head.place[2] > -45)
        assert behind.any(), "transverse sinuses and torcula"


def test_the_tentorium_is_a_roof_with_a_notch_for_the_brainstem(heads):
    for head, _ in heads:
        share = tentorium(head, half_mm=1.0)
        x, y, z = np.abs(head.side[share > 0]), head.place[1][share > 0], head.place[2][share > 0]
        assert len(x) > 200
        assert z[x < 10].mean() > z[x > 35].mean() + 8, "it rises to the middle"
        assert not ((x < 12) & (y > -40)).any(), "here is the brainstem"
        assert z.min() > -45
        assert z.max() < 14


def test_choroid_plexus_is_in_the_ventricles_and_mostly_at_their_back(heads):
    for head, extras in heads:
        assert not extras["choroid"][head.from_ventricles >= 0.5].any()
    back = sum(extras["choroid"][head.place[1] < -25].sum() for head, extras in heads)
    front = sum(extras["choroid"][head.place[1] > -25].sum() for head, extras in heads)
    assert back > front


def test_what_brightens_flair_but_is_no_tumour_is_in_fluid_at_the_ventricles_or_at_the_base(heads):
    for head, extras in heads:
        assert not extras["flow"][head.fluid <= 0].any()
        assert not extras["spot"][head.white <= 0].any()
        assert not extras["glow"][(head.depth > 9) | (head.place[2] > 0)].any()


def test_sinuses_and_choroid_plexus_are_brighter_than_the_brain_in_t1ce_and_background_in_the_label(monkeypatch):
    size, seen = head_size((MM,) * 3), []

    def spied(generator, head, maps):
        seen.append((head, head_extras(generator, head, maps)))
        return seen[-1][1]

    monkeypatch.setattr(painted_brain, "head_extras", spied)
    above, labels = [], []
    for seed in range(3):
        options = {"modalities": ("t1ce",), "tumours": "low_grade", "free_share": 0.0}
        case = paint_brain((5, seed), size=size, affine=upright_affine(size, (MM,) * 3), **options)
        brain, extras = case["t1ce"] > 0, seen[seed][1]
        rest = case["t1ce"][brain & (case["label"] == 0)].astype(float)
        for name in ("sinus", "choroid"):
            where = brain & (extras[name] > 0.6)
            if where.sum() > 8:
                labels.append(case["label"][where])
                above.append((case["t1ce"][where].mean() - rest.mean()) / rest.std())
    assert len(above) >= 3
    assert (np.concatenate(labels) == 0).mean() > 0.9, "but for what a tumour covers"
    assert np.mean(above) > 1.0
    assert max(above) > 2.5, "as bright as a rim or brighter"


def test_many_brain_masks_hold_parts_of_the_sinuses_outside_of_the_brain(heads):
    head, extras = heads[0]
    outside = (extras["sinus"] > 0.4) & (head.depth < -1.5)
    with_them = [
        draw_brain_mask(np.random.default_rng(seed), head, extras["sinus"])[outside].mean() for seed in range(8)
    ]
    without = [
        draw_brain_mask(np.random.default_rng(seed), head, 0 * extras["sinus"])[outside].mean() for seed in range(8)
    ]
    gained = np.array(with_them) - np.array(without)
    assert (gained >= 0).all()
    assert 2 <= (gained > 0.1).sum() < 8
