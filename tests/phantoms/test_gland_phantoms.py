import json

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from ci.__main__ import main
from shared.data import count_cases_sharing, find_gland_cases
from shared.errors import InputError
from shared.phantoms import paint_gland_phantoms, paint_glands
from shared.transforms import gland_regions

COARSE = {"size": (48, 64), "pixel_size_um": 4.0}
SIZE, PIXEL_SIZE_UM = (90, 130), 2.48


def load(path):
    return np.asarray(Image.open(path))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("data") / "phantoms"
    return paint_gland_phantoms(where, num_train=8, num_test_a=4, num_test_b=2, **COARSE)


@pytest.fixture(scope="module")
def painted():
    """Pictures, glands and regions: six benign, six malignant."""
    return [paint_glands(i, SIZE, PIXEL_SIZE_UM, malignant=i >= 6, stain=i) for i in range(12)]


def test_the_layout_as_published(folder):
    names = [f"{part}_{i}" for part, number in (("train", 8), ("testA", 4), ("testB", 2)) for i in range(1, number + 1)]
    files = {f"{name}{end}.bmp" for name in names for end in ("", "_anno")}
    assert set(contents(folder)) == {*files, "Grade.csv", "README.txt", "phantoms.json"}
    for name in names:
        picture, glands = Image.open(folder / f"{name}.bmp"), Image.open(folder / f"{name}_anno.bmp")
        assert (picture.mode, glands.mode) == ("RGB", "L")
        assert picture.size == glands.size
        numbers = np.unique(glands)
        np.testing.assert_array_equal(numbers, np.arange(len(numbers)))
    assert "no tissue" in (folder / "README.txt").read_text().lower()
    sizes = {Image.open(folder / f"{name}.bmp").size for name in names}
    assert (64, 48) in sizes
    assert len(sizes) > 1, "some are smaller"
    assert all(48 <= width <= 64 and 36 <= height <= 48 for width, height in sizes)


def test_grades_and_patients_are_read_as_from_the_published_file(folder):
    lines = (folder / "Grade.csv").read_bytes().split(b"\r")
    assert lines[0] == b"name,patient ID, grade (GlaS), grade (Sirinukunwattana et al. 2015)"
    assert lines[1] == b"testA_1,1, benign, healthy"
    assert len(lines) == 15
    assert b"\n" not in b"".join(lines)
    cases = find_gland_cases(folder, needs_label=True)
    parts = {part: [case for case in cases if case["part"] == part] for part in ("train", "testA", "testB")}
    assert {part: len(found) for part, found in parts.items()} == {"train": 8, "testA": 4, "testB": 2}
    assert {part: sum(case["grade"] for case in found) for part, found in parts.items()} == {
        "train": 4,
        "testA": 2,
        "testB": 1,
    }
    assert len({case["patient"] for case in parts["train"]}) == 3
    assert count_cases_sharing(parts["testA"], parts["train"], "patient") == 4
    assert count_cases_sharing(parts["testB"], parts["train"], "patient") == 0


def test_same_seed_same_bytes_and_other_seed_others(folder, tmp_path):
    fewer = contents(paint_gland_phantoms(tmp_path / "fewer", num_train=2, num_test_a=1, num_test_b=0, **COARSE))
    pictures = {name: data for name, data in fewer.items() if name.endswith(".bmp")}
    assert pictures.items() <= contents(folder).items()
    assert len({fewer[name] for name in pictures}) == len(pictures)
    other = contents(
        paint_gland_phantoms(tmp_path / "other", num_train=2, num_test_a=1, num_test_b=0, seed=1, **COARSE)
    )
    assert all(other[name] != data for name, data in pictures.items())


def test_painting_again_does_nothing_unless_something_is_missing(folder):
    times, before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}, contents(folder)
    paint_gland_phantoms(folder, num_train=8, num_test_a=4, num_test_b=2, **COARSE)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == times
    (folder / "train_2_anno.bmp").unlink()
    paint_gland_phantoms(str(folder), num_train=8, num_test_a=4, num_test_b=2, **COARSE)
    assert contents(folder) == before
    assert json.loads(before["phantoms.json"])["pixel_size_um"] == 4.0


def test_other_data_are_neither_overwritten_nor_mixed_with_phantoms(folder, tmp_path):
    (tmp_path / "train_1.bmp").touch()
    with pytest.raises(InputError, match="something else than phantoms"):
        paint_gland_phantoms(tmp_path, **COARSE)
    with pytest.raises(InputError, match="other phantoms"):
        paint_gland_phantoms(folder, num_train=7, num_test_a=4, num_test_b=2, **COARSE)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_train": 0}, "num_train, num_test_a, num_test_b and seed"),
        ({"num_test_b": 1.5}, "num_train, num_test_a, num_test_b and seed"),
        ({"size": (48, 8)}, "size: give rows and columns, at least 16"),
        ({"size": 64}, "size: give rows and columns"),
        ({"pixel_size_um": 0}, "pixel_size_um: glands can be painted at 0.1 to 5"),
        ({"suffix": "gif"}, "suffix 'gif' is unknown; choose bmp or png"),
    ],
)
def test_wrong_settings_are_named(tmp_path, wrong, message):
    with pytest.raises(InputError, match=message):
        paint_gland_phantoms(tmp_path / "none", **wrong)
    assert not (tmp_path / "none").exists()


def test_bright_insides_never_touch_stroma(painted):
    coarse = [paint_glands(i, (60, 80), 5.0, malignant=i % 2 == 1) for i in range(4)]
    for _, glands, regions in [*painted, *coarse]:
        np.testing.assert_array_equal(regions > 0, glands > 0)
        assert not (ndimage.binary_dilation(regions == 0, np.ones((3, 3))) & (regions == 2)).any()


def test_insides_are_bright_rims_dark_and_stroma_holds_both(painted):
    for picture, _, regions in painted:
        grey = picture.mean(axis=-1)
        stroma, epithelium, bright = (grey[regions == region] for region in range(3))
        assert np.median(epithelium) < np.median(stroma)
        assert np.percentile(stroma, 1) < np.median(epithelium)
        assert len(bright) == 0 or np.median(epithelium) + 30 < np.median(bright) < stroma.max()


def test_malignant_glands_are_less_round_and_more_solid(painted):
    def roundness(glands):
        scores = []
        for number in range(1, glands.max() + 1):
            gland = np.pad(glands == number, 1)
            if (
                not gland[1, 1:-1].any()
                and not gland[-2, 1:-1].any()
                and not gland[:, [1, -2]].any()
                and gland.sum() > 60
            ):
                depth = ndimage.distance_transform_edt(gland)
                scores.append(np.pi * depth.max() ** 2 / gland.sum())
        return scores

    benign, malignant = (
        [score for _, glands, _ in half for score in roundness(glands)] for half in (painted[:6], painted[6:])
    )
    assert np.mean(malignant) < np.mean(benign) - 0.1
    shares = [(regions == 2).sum() / (regions > 0).sum() for _, _, regions in painted]
    assert np.mean(shares[6:]) < np.mean(shares[:6]) - 0.15
    for _, glands, _ in painted:
        assert 0.2 < (glands > 0).mean() < 0.8


def test_some_glands_touch_and_some_are_cut_by_the_border(painted):
    touching = cut = 0
    for _, glands, _ in painted:
        pairs = [(glands[1:], glands[:-1]), (glands[:, 1:], glands[:, :-1])]
        touching += any(((one != other) & (one > 0) & (other > 0)).any() for one, other in pairs)
        cut += (glands[0] > 0).any() and (glands[:, -1] > 0).any()
    assert touching >= 3
    assert cut >= 10


def test_no_threshold_finds_the_glands(painted):
    """Neither on brightness nor on a stain, plain or smoothed: hardly better than calling all of it gland."""
    scores, trivial = {}, []
    for picture, glands, _ in painted:
        density = -np.log((picture + 1.0) / 256)
        truth = glands > 0
        trivial.append(2 * truth.sum() / (truth.sum() + truth.size))
        for name, values in (("all", density.mean(-1)), ("blue", density[..., 0]), ("pink", density[..., 1])):
            for width_um in (0.01, 4, 10):
                smooth = ndimage.gaussian_filter(values, width_um / PIXEL_SIZE_UM)
                smooth = (smooth - smooth.mean()) / smooth.std()
                found = [sign * smooth > level for sign in (1, -1) for level in np.linspace(-2, 2, 21)]
                dice = [2 * (truth & above).sum() / (truth.sum() + above.sum()) for above in found]
                scores.setdefault((name, width_um), []).append(dice)
    best = max(np.mean(dice, axis=0).max() for dice in scores.values())
    assert best < np.mean(trivial) + 0.1
    assert best < 0.8


def test_regions_derived_from_picture_and_glands_are_nearly_those_that_were_painted(painted):
    agreement = []
    for picture, glands, regions in painted:
        image = torch.from_numpy(picture).movedim(-1, 0) / 255
        derived = gland_regions(image, torch.from_numpy(glands)[None], PIXEL_SIZE_UM)[0].numpy()
        agreement.append((derived == regions)[glands > 0].mean())
    assert np.mean(agreement) > 0.85
    assert np.min(agreement) > 0.6


def test_the_stain_changes_colours_and_nothing_else():
    one, glands, regions = paint_glands(3, **COARSE, stain=0)
    other, same_glands, same_regions = paint_glands(3, **COARSE, stain=1)
    np.testing.assert_array_equal(glands, same_glands)
    np.testing.assert_array_equal(regions, same_regions)
    difference = one.astype(float) - other
    assert np.abs(difference.mean(axis=(0, 1))).max() > 5
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.9


def test_images_of_a_patient_share_a_stain(folder, tmp_path, monkeypatch):
    stains = []

    def note(*arguments, stain, **rest):
        stains.append(stain)
        return paint_glands(*arguments, stain=stain, **rest)

    monkeypatch.setattr("shared.phantoms.gland_phantoms.paint_glands", note)
    paint_gland_phantoms(tmp_path / "again", num_train=8, num_test_a=4, num_test_b=2, **COARSE)
    patients = {case["case"]: case["patient"] for case in find_gland_cases(folder)}
    names = [f"{part}_{i}" for part, number in (("train", 8), ("testA", 4), ("testB", 2)) for i in range(1, number + 1)]
    pairs = {(stain, patients[name]) for stain, name in zip(stains, names)}
    assert len(pairs) == len({stain for stain, _ in pairs}) == len(set(patients.values())) == 4


def test_lengths_are_in_micrometres():
    def thickest_um(pixel_size_um, size):
        glands = paint_glands(3, size, pixel_size_um)[1]
        depths = ndimage.distance_transform_edt(np.pad(glands > 0, 1))
        return depths.max() * pixel_size_um

    coarse, fine = thickest_um(4.0, (80, 80)), thickest_um(2.0, (160, 160))
    assert 20 < coarse < 110
    assert 20 < fine < 110


def test_the_command_paints_either_kind(tmp_path, capsys):
    options = ["--out", str(tmp_path / "set"), "--kind", "gland", "--num_train", "2", "--num_test_a", "1"]
    options += ["--num_test_b", "0", "--size", "[24,32]", "--pixel_size_um", "5"]

    def run(*arguments):
        main(["paint-phantoms", *arguments])

    run(*options)
    assert capsys.readouterr().out == f"3 phantoms (painted, no patients) are in {tmp_path / 'set'}\n"
    assert len(find_gland_cases(tmp_path / "set", needs_label=True)) == 3
    with pytest.raises(InputError, match="suffix 'gif' is unknown"):
        run(*options, "--suffix", "gif")
    with pytest.raises(InputError, match="option --num_cases is unknown for kind gland; choose from num_train,"):
        run(*options, "--num_cases", "3")
    with pytest.raises(InputError, match="option --num_train is unknown for kind brain; choose from num_cases,"):
        run("--out", str(tmp_path / "other"), "--num_train", "3")
    with pytest.raises(InputError, match="kind 'liver' is unknown; choose brain or ellipsoid or gland"):
        run("--out", str(tmp_path / "other"), "--kind", "liver")
