"""Painted brains on real anatomy: what a reader of the images may rely on.

Cases are painted once for all tests, at 4 mm where nothing else is said.
"""

import time

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from ci.__main__ import main
from shared.data import find_mri_cases
from shared.errors import InputError
from shared.phantoms import BRAIN_MODALITIES, BrainPainter, paint_brain, paint_brain_phantoms
from shared.phantoms.brain_phantom_scan import upright_affine
from shared.phantoms.head_grid import HeadGrid, Waves
from shared.phantoms.head_pose import Head, HeadPose
from shared.phantoms.lesion_kinds import LESIONS, SHARES
from shared.phantoms.lesion_parts import ENHANCING, brain_of
from shared.phantoms.lesion_spread import blocked_by, spread_mm, travel_mm
from shared.phantoms.mni_maps import load_brain_maps
from shared.phantoms.mr_contrasts import RANGES
from shared.phantoms.mr_scanner import slice_weights
from shared.phantoms.painted_brain import head_size, random_stream
from shared.transforms import PrepareBraind

MM = 4.0
SIZE = head_size((MM,) * 3)
GRID = upright_affine(SIZE, (MM,) * 3)
ML = MM**3 / 1000


def paint(seed, size=SIZE, affine=GRID, **options):
    return paint_brain(seed, size=size, affine=affine, **options)


def lesion_in_head(kind, seed, spacing=MM):
    """Return a head and its lesion before any mask."""
    generator, maps = np.random.default_rng(seed), load_brain_maps()
    size = head_size((spacing,) * 3)
    grid = HeadGrid.of_affine(size, upright_affine(size, (spacing,) * 3))
    pose, tumour = HeadPose(generator), LESIONS[kind](generator, maps)
    head = pose.sample(grid, maps, tumour.push_away)
    return head, tumour, tumour.paint(head)


@pytest.fixture(scope="module")
def cases():
    return [paint((0, index), free_share=0.0) for index in range(12)]


@pytest.fixture(scope="module")
def gliomas():
    return [lesion_in_head("high_grade", seed) for seed in range(5)]


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


def test_the_core_is_inside_the_oedema_and_necrosis_inside_the_core(gliomas):
    """Most of what touches necrosis from outside is tumour; what touches tumour from outside is oedema or blocked."""
    for head, _, lesion in gliomas:
        core = np.isin(lesion.label, (1, 3))
        around = ndimage.binary_dilation(core) & ~core & ~blocked_by(head) & (head.white > 0.5)
        if (lesion.label == 2).sum() > 2 * core.sum():
            assert (lesion.label[around] == 2).mean() > 0.8
        assert brain_of(head)[lesion.label > 0].all()


def test_oedema_is_in_tissue_only_neither_in_fluid_nor_in_the_falx(gliomas):
    for head, _, lesion in gliomas:
        oedema = lesion.label == 2
        assert not (oedema & (head.fluid > 0.5)).any()
        assert not (oedema & blocked_by(head)).any()


def bare_head(white, side):
    zero = np.zeros(white.shape, np.float32)
    grid = HeadGrid([2.0 * np.arange(size) for size in white.shape])
    return Head(grid, np.zeros((3, *white.shape), np.float32), 1 - white, white, zero, zero + 30, zero + 30, side, zero)


@pytest.mark.parametrize("open_callosum", [False, True])
def test_only_the_corpus_callosum_lets_oedema_through_the_falx(open_callosum):
    side = np.broadcast_to(2.0 * np.arange(-8, 9, dtype=np.float32)[:, None, None], (17, 9, 9)).copy()
    white = np.ones(side.shape, np.float32)
    white[abs(side) < 2.2] = 0.3  # grey matter and fluid at the falx
    if open_callosum:
        white[:, 4, 1] = 1.0
    start = np.full(side.shape, np.inf, np.float32)
    start[3, 4, 4] = 0.0
    effort = spread_mm(bare_head(white, side), start, most_mm=30.0)
    assert effort[5, 4, 4] == pytest.approx(2 * 2.0 * 0.8)
    assert (effort[side > 3].min() < 30.0) == open_callosum


def test_no_oedema_is_cut_off_at_the_box_in_which_it_is_painted(gliomas):
    """Where an oedema ends its effort is known: beyond the box there is none."""
    for head, _, lesion in gliomas:
        free = ~blocked_by(head) & (lesion.label == 0) & ndimage.binary_dilation(lesion.label == 2)
        assert (lesion.fade[free] > 0).all()


def test_oedema_prefers_white_matter(gliomas):
    def share(name):
        near = [(head, lesion.label == 2, (lesion.fade < 1) | (lesion.label > 0)) for head, _, lesion in gliomas]
        return sum((getattr(h, name)[o]).sum() for h, o, _ in near) / sum((o).sum() for _, o, _ in near)

    brains = [(head.white.sum(), head.grey.sum()) for head, _, _ in gliomas]
    white_of_all = sum(white for white, _ in brains) / sum(white + grey for white, grey in brains)
    assert share("white") / (share("white") + share("grey")) > white_of_all + 0.15


def test_travel_goes_round_a_wall_and_not_through():
    """Worked out by hand: 3 steps of 2 mm to the left; the wall's other side is reached over its open end."""
    slowness = np.ones((7, 5, 1), np.float32)
    slowness[3, :4] = 1e4  # open at the last row only
    start = np.full(slowness.shape, 1e4, np.float32)
    start[4, 0] = 0
    effort = travel_mm(start, slowness, (2.0, 2.0, 2.0), most_mm=40.0)
    assert effort[4, 3, 0] == pytest.approx(6.0)
    assert effort[2, 0, 0] == pytest.approx(6.0 + 2 * np.sqrt(8) + 6.0)
    assert effort[3, 1, 0] > 1000


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


def test_a_painter_gives_what_the_preparation_of_the_bundles_reads():
    painter = BrainPainter((6.0, 7.0, 8.0), ["flair", "t1"], label_values=(0, 1, 2, 4))
    prepare = PrepareBraind(painter.modalities, painter.spacing_mm, layout="brats2021", resample_label=True)
    case = prepare({"case": "a", "painted": lambda: painter((0, 5))})
    assert case["image"].shape[0] == 2
    assert case["image"].shape[1:] == case["label"].shape[1:]
    np.testing.assert_allclose(np.diag(case["image"].affine)[:3], (6, 7, 8))
    assert set(np.unique(case["label"])) <= {0, 1, 2, 3}
    assert (case["label"] > 0).any()
    again = prepare({"case": "a", "painted": lambda: painter((0, 5))})
    np.testing.assert_array_equal(case["image"], again["image"])


def test_a_case_at_2_mm_costs_at_most_two_seconds_of_a_core():
    load_brain_maps()
    size, start = head_size((2.0,) * 3), time.process_time()
    paint((3, 0), size=size, affine=upright_affine(size, (2.0,) * 3), tumours="high_grade")
    assert time.process_time() - start < 2.0


def test_waves_are_splines_of_their_lattice_and_come_again():
    """Against SciPy at points, and 40 details further."""
    waves = Waves(np.random.default_rng(0), 6.0)
    axes = (np.arange(-20.0, 20.0, 3.0), np.arange(5.0, 40.0, 4.0), np.array([-7.0, 60.0, 233.0]))
    points = np.stack(np.meshgrid(*axes, indexing="ij")) / 6.0
    expected = ndimage.map_coordinates(waves.lattice, points, order=2, prefilter=False, mode="grid-wrap")
    found = waves.on(HeadGrid(axes))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(found[..., 0], found[..., 2], atol=1e-4)
    assert waves.on(HeadGrid([np.arange(0.0, 240.0, 5.0)] * 3)).std() == pytest.approx(1.0, abs=0.05)


def test_thick_slices_are_means_and_lines_between_them():
    """Six voxels of 1 mm in slices of 2 mm: the ramp 0 ... 5 has means 0.5, 2.5, 4.5."""
    measure, restore = slice_weights(np.arange(6.0), slice_mm=2.0, first_mm=0.5)
    slices = measure @ np.arange(6.0)
    np.testing.assert_allclose(slices, [0.0, 0.5, 2.5, 4.5, 5.0, 5.0], atol=1e-4)  # those outside show the ends
    np.testing.assert_allclose((restore @ slices)[1:5], np.arange(1.0, 5.0), atol=0.3)
    np.testing.assert_allclose(restore.sum(axis=1), 1.0, rtol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"spacing_mm": (0.8, 1, 1)}, "spacing_mm: painted brains need voxels of at least 1 mm"),
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
    monkeypatch.setitem(__import__("sys").modules, "nilearn.datasets", None)
    with pytest.raises(InputError, match="painted brains need the package nilearn"):
        load_brain_maps()
    with pytest.raises(InputError, match="install it"):
        BrainPainter((MM,) * 3)
