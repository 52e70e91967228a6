"""Painted glands have what makes real ones hard, and are what their labels say."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from shared.phantoms import paint_glands
from shared.transforms import gland_regions

SIZE, PIXEL_SIZE_UM = (90, 130), 2.48


@pytest.fixture(scope="module")
def painted():
    """Pictures, glands and regions: six benign, six malignant."""
    return [paint_glands(i, SIZE, PIXEL_SIZE_UM, malignant=i >= 6, stain=i) for i in range(12)]


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
    one, glands, regions = paint_glands(3, (48, 64), 4.0, stain=0)
    other, same_glands, same_regions = paint_glands(3, (48, 64), 4.0, stain=1)
    np.testing.assert_array_equal(glands, same_glands)
    np.testing.assert_array_equal(regions, same_regions)
    difference = one.astype(float) - other
    assert np.abs(difference.mean(axis=(0, 1))).max() > 5
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.9


def test_lengths_are_in_micrometres():
    def thickest_um(pixel_size_um, size):
        glands = paint_glands(3, size, pixel_size_um)[1]
        depths = ndimage.distance_transform_edt(np.pad(glands > 0, 1))
        return depths.max() * pixel_size_um

    coarse, fine = thickest_um(4.0, (80, 80)), thickest_um(2.0, (160, 160))
    assert 20 < coarse < 110
    assert 20 < fine < 110
