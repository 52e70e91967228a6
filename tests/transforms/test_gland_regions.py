import os
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy import ndimage

from shared.errors import InputError
from shared.transforms import GlandRegionsd, LoadPictured, gland_regions
from shared.transforms.bright_lumen import optical_density

DARK, BRIGHT = 100, 250  # optical densities 0.93 and 0.02


def picture(grey):
    return (torch.as_tensor(grey) / 255).float().expand(3, -1, -1)


def numbers(mask):
    return torch.as_tensor(mask)[None].to(torch.int32)


def disc(size, radius, centre=None):
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2 if centre is None else np.mgrid[:size, :size]
    shift = (0, 0) if centre is None else centre
    return (rows - shift[0]) ** 2 + (columns - shift[1]) ** 2 <= radius**2


def regions_of(grey, instances, pixel_size_um=1.0, method="bright"):
    return gland_regions(picture(grey), numbers(instances), pixel_size_um, method)[0].numpy()


def random_glands(seed, size=70):
    """Blobs of any shape that touch each other and the border, over noise with bright and dark areas."""
    generator = np.random.default_rng(seed)
    height = ndimage.gaussian_filter(generator.normal(size=(size, size)), 6)
    instances, _ = ndimage.label(height > 0)
    halves = np.where(np.mgrid[:size, :size][0] < size // 2, 2 * instances, 2 * instances - 1)
    grey = 160 + 3000 * ndimage.gaussian_filter(generator.normal(size=(size, size)), 3)
    return np.clip(grey, 20, 250), np.where(instances > 0, halves, 0)


def test_a_bright_disc_in_a_dark_gland_by_hand():
    gland, lumen = disc(80, 30), disc(80, 15)
    regions = regions_of(np.where(lumen, BRIGHT, DARK), gland)
    np.testing.assert_array_equal(regions > 0, gland)
    outline = ndimage.binary_dilation(lumen, iterations=2) & ~ndimage.binary_erosion(lumen, iterations=2)
    np.testing.assert_array_equal((regions == 2)[~outline], lumen[~outline])  # smoothing moves the edge a little
    assert regions_of(np.where(lumen, BRIGHT, DARK), gland).dtype == np.int8


def test_an_all_bright_gland_keeps_a_rim_of_five_micrometres():
    gland = np.zeros((40, 60), bool)
    gland[8:33, 10:50] = True
    grey = np.where(gland, BRIGHT, DARK)
    grey[20, 30] = DARK  # two levels, so that a threshold exists
    expected = np.zeros_like(gland)
    expected[13:28, 15:45] = True  # five pixels of 1 um at each side
    expected[[13, 13, 27, 27], [15, 44, 15, 44]] = False  # corners: opening rounds them
    np.testing.assert_array_equal(regions_of(grey, gland) == 2, expected)


def test_ring_is_the_inside_and_heeds_no_brightness():
    gland = np.zeros((40, 60), bool)
    gland[8:33, 10:50] = True
    expected = np.zeros_like(gland)
    expected[17:24, 19:41] = True  # the centre of the tenth pixel is the first that lies 9.3 um behind the border
    for grey in (np.full(gland.shape, DARK), np.full(gland.shape, BRIGHT)):
        np.testing.assert_array_equal(regions_of(grey, gland, method="ring") == 2, expected)


def test_contour_is_the_epithelium_along_each_border_but_not_along_the_image():
    """Two glands that meet at column 30, the first cut by the image's upper end: three pixels of 1 um each."""
    instances = np.zeros((40, 60), int)
    instances[0:30, 10:30], instances[10:30, 30:50] = 1, 2
    grey = np.full(instances.shape, DARK)
    grey[20, 40] = BRIGHT
    image = picture(grey)
    regions = gland_regions(image, numbers(instances), 1.0, contour_um=3.0)[0].numpy()
    expected = (instances > 0) * 3
    expected[0:27, 13:27] = expected[13:27, 33:47] = 1
    np.testing.assert_array_equal(regions, expected)
    without = gland_regions(image, numbers(instances), 1.0)[0].numpy()
    np.testing.assert_array_equal(np.where(regions == 3, 1, regions), without)


@pytest.mark.parametrize("seed", range(3))
def test_contour_touches_no_lumen_pixel_and_leaves_the_three_regions_as_they_were(seed):
    grey, instances = random_glands(seed)
    before = regions_of(grey, instances)
    after = gland_regions(picture(grey), numbers(instances), 1.0, contour_um=5.0)[0].numpy()
    assert (before == 2).any()
    np.testing.assert_array_equal(after == 2, before == 2)
    np.testing.assert_array_equal(np.where(after == 3, 1, after), before)


def test_contour_is_drawn_into_the_epithelium_of_a_loaded_map():
    instances = np.zeros((20, 30), int)
    instances[4:16, 5:25] = 1
    label = (instances > 0).astype(np.int8)
    label[4:8, 10:15] = 2  # corrected by hand: lumen up to the border
    data = {"image": picture(np.full(instances.shape, DARK)), "instances": numbers(instances), "label": numbers(label)}
    drawn = GlandRegionsd(1.0, contour_um=2.0)(data)["label"]
    expected = np.where(instances > 0, 3, 0)
    expected[6:14, 7:23] = 1
    expected[4:8, 10:15] = 2
    np.testing.assert_array_equal(drawn[0].numpy(), expected)
    assert drawn.dtype == torch.int8
    assert data["label"].max() == 2


@pytest.mark.parametrize("width", [0, -1.0, 5.1])
def test_contour_may_not_be_wider_than_the_rim(width):
    with pytest.raises(InputError, match=f"contour_um: expected at most 5 um, the rim's width, or None, got {width}"):
        GlandRegionsd(1.0, contour_um=width)


def test_touching_glands_keep_a_rim_between_them():
    instances = np.zeros((40, 80), int)
    instances[5:35, 5:40], instances[5:35, 40:75] = 3, 70000
    grey = np.full(instances.shape, BRIGHT)
    grey[0] = DARK
    grey[:, 20:22] = DARK
    regions = regions_of(grey, instances)
    assert (regions[20, 35:45] == 1).all()
    assert regions[20, 34] == regions[20, 45] == 2
    assert regions_of(grey, instances > 0)[20, 38] == 2  # one gland has none


def test_the_end_of_the_image_is_no_border_of_a_gland():
    gland = np.zeros((40, 60), bool)
    gland[:25, :30] = True
    grey = np.where(gland, BRIGHT, DARK)
    grey[0, 0] = DARK
    lumen = regions_of(grey, gland) == 2
    assert lumen[:19, :24].mean() > 0.99
    assert lumen[0, 2]
    assert lumen[19, 0]
    assert not lumen[20:].any()
    whole = np.full((30, 40), BRIGHT)
    whole[:2, :2] = DARK
    assert (regions_of(whole, np.ones((30, 40))) == 2).mean() > 0.98


@pytest.mark.parametrize("method", ["bright", "ring"])
@pytest.mark.parametrize("pixel_size_um", [0.62, 1.24, 4.0, 20.0])
def test_lumen_never_touches_stroma_or_another_gland(method, pixel_size_um):
    found = 0
    for seed in range(6):
        grey, instances = random_glands(seed)
        regions = regions_of(grey, instances, pixel_size_um, method)
        np.testing.assert_array_equal(regions > 0, instances > 0)
        lumen = regions == 2
        found += lumen.sum()
        assert not (ndimage.binary_dilation(regions == 0, np.ones((3, 3))) & lumen).any()
        for number in np.unique(instances[lumen]):
            own = lumen & (instances == number)
            around = ndimage.binary_dilation(own, np.ones((3, 3)))
            assert set(np.unique(instances[around])) == {number}
    assert found > 0


def test_lengths_are_in_micrometres():
    fine_gland = disc(160, 60) & ~disc(160, 20, (110, 110))
    fine = np.where(disc(160, 54), BRIGHT, DARK)
    fine[:, 80:83] = DARK
    coarse_gland, coarse = fine_gland[::2, ::2], fine.reshape(80, 2, 80, 2).mean(axis=(1, 3))
    for method in ("bright", "ring"):
        at_half = regions_of(coarse, coarse_gland, 1.24, method)
        at_full = regions_of(fine, fine_gland, 0.62, method)
        assert (at_full[::2, ::2] == at_half).mean() > 0.98
        ignored = regions_of(coarse, coarse_gland, 0.62, method)
        assert (at_full[::2, ::2] == ignored).mean() < 0.97


def test_a_solid_gland_has_no_lumen():
    generator = np.random.default_rng(0)
    gland = disc(80, 35)
    grey = np.where(gland, 120 + 12 * generator.standard_normal(gland.shape), BRIGHT)
    regions = regions_of(grey, gland)
    assert set(np.unique(regions)) == {0, 1}


@pytest.mark.parametrize(
    ("goblets", "cytoplasm", "nuclei", "expected"),
    [
        (0.22, 0.55, 0.9, True),
        (0.35, 0.60, 1.2, True),  # a dark stain darkens the goblet cells, too
        (0.29, 0.33, 0.5, False),  # in a pale stain cells are nearly as bright
        (0.22, 0.28, 0.4, True),  # but what is brighter than the lower limit counts
        (0.45, 0.60, 1.8, False),  # and what is darker than the upper limit does not
    ],
)
def test_the_threshold_follows_the_stain_within_limits(goblets, cytoplasm, nuclei, expected):
    """The numbers are optical densities; expected says whether the goblet cells count as lumen."""
    gland, inside = disc(100, 42), disc(100, 20)
    densities = np.where(inside, goblets, np.where(disc(100, 28), cytoplasm, nuclei))
    lumen = regions_of(256 * np.exp(-densities) - 1, gland) == 2
    assert lumen[disc(100, 18)].mean() == expected
    assert not lumen[~disc(100, 23)].any()


def test_holes_are_filled():
    gland, lumen = disc(120, 55), disc(120, 25)
    regions = regions_of(np.where(lumen & ~disc(120, 8), BRIGHT, DARK), gland)  # the hole is a dead cell
    assert (regions[disc(120, 22)] == 2).all()


def test_small_bright_parts_are_dropped():
    """A speck of 8 x 8 pixels, of which smoothing and opening leave 24 to 60."""
    grey = np.full((160, 160), DARK)
    grey[30:38, 76:84] = BRIGHT

    def keeps_speck(radius, pixel_size_um):
        found = (regions_of(grey, disc(160, radius, (33.5 + radius / 2, 79.5)), pixel_size_um) == 2).sum()
        assert found == 0 or 24 <= found <= 60
        return found > 0

    assert keeps_speck(radius=30, pixel_size_um=1.0)
    assert not keeps_speck(radius=30, pixel_size_um=0.6)  # at most 22 um2 there
    assert not keeps_speck(radius=70, pixel_size_um=1.0)  # 0.5 % of the gland are 77 pixels


def test_smoothing_has_a_standard_deviation_in_micrometres():
    grey = np.full((81, 81), 254)
    grey[40, 40] = 253
    for pixel_size_um in (0.31, 0.62, 1.24):
        density = optical_density(picture(grey).numpy().astype(np.float64), pixel_size_um)
        spread = density - density.min()
        offset = np.arange(81) - 40
        width_um = np.sqrt((spread.sum(0) * offset**2).sum() / spread.sum()) * pixel_size_um
        assert width_um == pytest.approx(0.93, rel=0.08)


def test_no_gland_at_all():
    for method in ("bright", "ring"):
        assert not regions_of(np.full((20, 30), BRIGHT), np.zeros((20, 30)), method=method).any()
    one_level = regions_of(np.full((60, 60), BRIGHT), disc(60, 25))
    assert set(np.unique(one_level)) <= {0, 1, 2}


def test_the_dictionary_version_adds_a_label_or_keeps_the_stored_one():
    gland = disc(80, 30)
    item = {"image": picture(np.where(disc(80, 15), BRIGHT, DARK)), "instances": MetaTensor(numbers(gland)), "grade": 1}
    derived = GlandRegionsd(1.0)(item)
    assert "label" not in item
    assert derived["label"].dtype == torch.int8
    assert derived["label"].shape == (1, 80, 80)
    torch.testing.assert_close(
        derived["label"].as_tensor(), gland_regions(item["image"], item["instances"], pixel_size_um=1.0)
    )
    assert derived["label"].max() == 2
    stored = numbers(gland)
    kept = GlandRegionsd(1.0)({**item, "label": stored})
    assert kept["label"].dtype == torch.int8
    torch.testing.assert_close(kept["label"], stored.to(torch.int8))
    assert GlandRegionsd(1.0, method="ring")(item)["label"].sum() != derived["label"].sum()


def test_wrong_input_is_named():
    image, instances = picture(np.full((9, 9), DARK)), numbers(np.ones((9, 9)))
    label = MetaTensor(instances * 3, meta={"filename_or_obj": "train_1_regions.png"})
    with pytest.raises(InputError, match=r"train_1_regions.png: not a region map; .* they reach from 3 to 3"):
        GlandRegionsd(1.0)({"label": label})
    with pytest.raises(InputError, match=r"case train_1: has neither a region map nor outlined glands"):
        GlandRegionsd(1.0)({"case": "train_1", "image": image})
    for wrong in (0, -1.0, float("nan"), float("inf"), "0.62", True):
        with pytest.raises(InputError, match="pixel_size_um: give the edge of a pixel in micrometres"):
            GlandRegionsd(wrong)
    with pytest.raises(InputError, match=r"method 'bold' is unknown; choose bright or ring"):
        gland_regions(image, instances, 1.0, "bold")
    with pytest.raises(ValueError, match=r"image must be \(3, H, W\) and instances \(1, H, W\) of the same size"):
        gland_regions(image, instances[:, :5], 1.0)


def test_real_glands():
    if "SEGMENTATION_DATA" not in os.environ:
        pytest.skip("SEGMENTATION_DATA is not set: no real data here")
    folder = Path(os.environ["SEGMENTATION_DATA"], "glas")
    load = LoadPictured("image")
    shares = {}
    for name in (
        "Warwick_QU_half/testA_1.png",
        "Warwick_QU_half/testA_57.png",
        "Warwick_QU_original_sample/testA_1.bmp",
    ):
        path = folder / name
        loaded = load({"image": path, "instances": path.with_name(f"{path.stem}_anno{path.suffix}")})
        regions = GlandRegionsd(0.62 if path.suffix == ".bmp" else 1.24)(loaded)["label"][0].numpy()
        assert not (ndimage.binary_dilation(regions == 0, np.ones((3, 3))) & (regions == 2)).any()
        shares[name] = np.bincount(regions.ravel(), minlength=3) / regions.size
    benign, solid, at_full_size = shares.values()
    assert benign[2] > 0.6
    assert solid[2] < 0.08
    np.testing.assert_allclose(benign, at_full_size, atol=0.01)
