"""Lumen is the bright inside of a gland, whatever the stain."""

import os
from pathlib import Path

import numpy as np
import pytest
from grey_glands import BRIGHT, DARK, disc, picture, regions_of
from scipy import ndimage

from shared.transforms import GlandRegionsd, LoadPictured
from shared.transforms.bright_lumen import optical_density


def test_a_bright_disc_in_a_dark_gland_by_hand():
    gland, lumen = disc(80, 30), disc(80, 15)
    regions = regions_of(np.where(lumen, BRIGHT, DARK), gland)
    np.testing.assert_array_equal(regions > 0, gland)
    outline = ndimage.binary_dilation(lumen, iterations=2) & ~ndimage.binary_erosion(lumen, iterations=2)
    np.testing.assert_array_equal((regions == 2)[~outline], lumen[~outline])  # smoothing moves the edge a little
    assert regions_of(np.where(lumen, BRIGHT, DARK), gland).dtype == np.int8


def test_ring_is_the_inside_and_heeds_no_brightness():
    gland = np.zeros((40, 60), bool)
    gland[8:33, 10:50] = True
    expected = np.zeros_like(gland)
    expected[17:24, 19:41] = True  # the centre of the tenth pixel is the first that lies 9.3 um behind the border
    for grey in (np.full(gland.shape, DARK), np.full(gland.shape, BRIGHT)):
        np.testing.assert_array_equal(regions_of(grey, gland, method="ring") == 2, expected)


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


def test_holes_in_the_lumen_are_filled():
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


def test_the_same_gland_at_half_size_has_the_same_regions():
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


def test_smoothing_has_a_standard_deviation_in_micrometres():
    grey = np.full((81, 81), 254)
    grey[40, 40] = 253
    for pixel_size_um in (0.31, 0.62, 1.24):
        density = optical_density(picture(grey).numpy().astype(np.float64), pixel_size_um)
        spread = density - density.min()
        offset = np.arange(81) - 40
        width_um = np.sqrt((spread.sum(0) * offset**2).sum() / spread.sum()) * pixel_size_um
        assert width_um == pytest.approx(0.93, rel=0.08)


def test_without_glands_or_with_one_grey_level_there_is_no_error():
    for method in ("bright", "ring"):
        assert not regions_of(np.full((20, 30), BRIGHT), np.zeros((20, 30)), method=method).any()
    one_level = regions_of(np.full((60, 60), BRIGHT), disc(60, 25))
    assert set(np.unique(one_level)) <= {0, 1, 2}


def test_a_real_benign_gland_is_mostly_lumen_and_a_solid_one_hardly():
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
