"""Painted lesions in their heads, before any mask, at 4 mm where nothing else is said."""

import numpy as np
import pytest
from scipy import ndimage

from shared.phantoms import upright_affine
from shared.phantoms.head_grid import HeadGrid
from shared.phantoms.head_pose import HeadPose
from shared.phantoms.lesion_glioma import paint_body
from shared.phantoms.lesion_kinds import LESIONS
from shared.phantoms.lesion_parts import ENHANCING, SOLID, brain_of
from shared.phantoms.lesion_spread import blocked_by
from shared.phantoms.mni_maps import load_brain_maps
from shared.phantoms.painted_brain import head_size

pytest.importorskip("nilearn", reason="the anatomy of painted brains needs nilearn, which is not installed")

MM = 4.0


def lesion_in_head(kind, seed, spacing=MM):
    """Return a head and its lesion before any mask."""
    generator, maps = np.random.default_rng(seed), load_brain_maps()
    size = head_size((spacing,) * 3)
    grid = HeadGrid.of_affine(size, upright_affine(size, (spacing,) * 3))
    pose, tumour = HeadPose(generator), LESIONS[kind](generator, maps)
    head = pose.sample(grid, maps, tumour.push_away)
    return head, tumour, tumour.paint(head)


@pytest.fixture(scope="module")
def gliomas():
    return [lesion_in_head("high_grade", seed) for seed in range(5)]


def test_the_core_is_inside_the_oedema_and_necrosis_inside_the_core(gliomas):
    """Most of what touches necrosis from outside is tumour; what touches tumour from outside is oedema or blocked."""
    around_cores = []
    for head, _, lesion in gliomas:
        core = np.isin(lesion.label, (1, 3))
        around = ndimage.binary_dilation(core) & ~core & ~blocked_by(head) & (head.white > 0.5)
        if (lesion.label == 2).sum() > 2 * core.sum():
            around_cores.append((lesion.label[around] == 2).mean())
        assert brain_of(head)[lesion.label > 0].all()
    assert around_cores
    assert min(around_cores) > 0.8


def test_oedema_is_in_tissue_only_neither_in_fluid_nor_in_the_falx(gliomas):
    for head, _, lesion in gliomas:
        oedema = lesion.label == 2
        assert not (oedema & (head.fluid > 0.5)).any()
        assert not (oedema & blocked_by(head)).any()


def test_no_oedema_is_cut_off_at_the_box_in_which_it_is_painted(gliomas):
    """Where an oedema ends its effort is known: beyond the box there is none."""
    for head, _, lesion in gliomas:
        free = ~blocked_by(head) & (lesion.label == 0) & ndimage.binary_dilation(lesion.label == 2)
        assert (lesion.fade[free] > 0).all()


def test_oedema_prefers_white_matter(gliomas):
    def share(name):
        oedemas = [(head, lesion.label == 2) for head, _, lesion in gliomas]
        return sum(getattr(head, name)[oedema].sum() for head, oedema in oedemas) / sum(o.sum() for _, o in oedemas)

    brains = [(head.white.sum(), head.grey.sum()) for head, _, _ in gliomas]
    white_of_all = sum(white for white, _ in brains) / sum(white + grey for white, grey in brains)
    assert share("white") / (share("white") + share("grey")) > white_of_all + 0.15


def test_a_mass_pushes_tissue_away_most_of_all_near_it_and_not_the_skull(gliomas):
    head, tumour, _ = gliomas[0]
    place = head.place[:, ::4, ::4, ::4]
    centre, origin = tumour.main.centre[:, None, None, None], tumour.push_away(place)
    before, after = (np.linalg.norm(where - centre, axis=0) for where in (origin, place))
    assert (before <= after + 1e-4).all(), "where tissue is now it was nearer to the middle of the tumour before"
    assert 0.5 < (after - before).max() < 0.5 * tumour.main.radius
    assert (after - before)[after > 4 * tumour.main.radius].max(initial=0) < 0.25 * (after - before).max()
    assert not (after - before)[(abs(place[1] + 17.5) > 90)].any()


@pytest.mark.parametrize("seed", [1, 5])
def test_metastases_are_as_many_as_were_drawn(seed):
    _, tumour, lesion = lesion_in_head("metastases", seed, spacing=3.0)
    assert 1 <= len(tumour.masses) <= 20
    _, number = ndimage.label(np.isin(lesion.label, (1, 3)), np.ones((3, 3, 3)))
    assert 0.7 * len(tumour.masses) - 1 <= number <= len(tumour.masses)


def test_a_number_of_metastases_from_one_to_twenty():
    maps = load_brain_maps()
    numbers = [len(LESIONS["metastases"](np.random.default_rng(seed), maps).masses) for seed in range(24)]
    assert min(numbers) == 1
    assert 12 < max(numbers) <= 20


def test_a_meningioma_lies_at_the_surface_and_enhances():
    head, _, lesion = lesion_in_head("meningioma", 3)
    body = np.isin(lesion.label, (1, 3))
    assert head.depth[body].min() < MM
    assert (lesion.parts[body] == ENHANCING).mean() > 0.5


def test_a_cavity_after_treatment_is_background():
    found = [lesion_in_head("treated", seed)[2] for seed in range(3)]
    assert any((lesion.parts == 5).any() for lesion in found)
    assert all(not lesion.label[lesion.parts == 5].any() for lesion in found)


def test_satellites_are_in_tissue():
    """Those of a glioma whose main body is left out: that one may hold fluid."""
    head, tumour, _ = lesion_in_head("high_grade", seed=1)
    tumour.masses.remove(tumour.main)
    bodies = [mass.depth(head) for mass in tumour.masses]
    assert any((head.fluid[box][depth > 0] > 0.5).any() for box, depth in bodies), "there is fluid where one would be"
    assert not tumour.paint(head).label[head.fluid > 0.5].any()


def test_a_sparse_glioma_is_mostly_solid_and_a_ring_mostly_not():
    head, tumour, _ = lesion_in_head("high_grade", seed=3, spacing=3.0)
    box, depth = tumour.main.depth(head)
    core = depth > 0
    shares = {}
    for form in ("sparse", "ring"):
        bodies = [paint_body(np.random.default_rng(seed), head, box, core, form)[core] for seed in range(6)]
        shares[form] = np.mean([[(body == part).mean() for part in (SOLID, ENHANCING)] for body in bodies], axis=0)
    assert shares["sparse"][0] > 0.6
    assert 0 < shares["sparse"][1] < 0.5 * shares["ring"][1]


def test_thin_rims_are_closed_on_coarse_grids():
    """The thinnest rim is 1.2 mm or so: the outermost voxels of a ball still enhance, but for the rim's gaps."""
    head, tumour, _ = lesion_in_head("high_grade", seed=3, spacing=3.0)
    box, depth = tumour.main.depth(head)
    core = depth > 0
    outermost = core & ~ndimage.binary_erosion(core)
    covered = [
        (paint_body(np.random.default_rng(seed), head, box, core)[outermost] == ENHANCING).mean() for seed in range(12)
    ]
    assert np.median(covered) > 0.8
