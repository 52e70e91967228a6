import os
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from monai.data import MetaTensor
from PIL import Image
from scipy import ndimage

from shared.transforms import draw_picture_overlay, picture_overlay, tinted_regions
from shared.transforms.planes import COLOURS

NAMES = ["stroma", "epithelium", "lumen"]
BLUE, YELLOW = ([int(code[start : start + 2], 16) for start in (1, 3, 5)] for code in COLOURS[:2])


def tissue(size=(60, 90)):
    """A pink picture; a gland with a lumen in its upper left part, a solid one at the lower edge."""
    image = torch.tensor([0.8, 0.5, 0.7])[:, None, None].expand(3, *size).clone()
    regions = torch.zeros(1, *size, dtype=torch.uint8)
    regions[:, 10:30, 10:40], regions[:, 15:25, 18:32] = 1, 2
    regions[:, 40:, 60:80] = 1
    objects = torch.as_tensor(ndimage.label(regions[0].numpy() > 0)[0])[None].int()
    return image, regions, objects


def draw(path, image, segmentation, **options):
    settings = {"region_names": NAMES, "pixel_size_um": 2.0, **options}
    draw_picture_overlay(image, segmentation, path, **settings)
    return (imread(path)[..., :3] * 255).round().astype(int)


def panels_of(pixels, count):
    """The panels from left to right and from the top down, without their frames; other parts are smaller."""
    parts, _ = ndimage.label(pixels.min(axis=2) < 250)
    boxes = sorted(ndimage.find_objects(parts), key=lambda box: -pixels[box].size)[:count]
    boxes.sort(key=lambda box: (box[0].start // 40, box[1].start))
    return [pixels[box][3:-3, 3:-3] for box in boxes]


def near(panel, colour, tolerance=8):
    return (np.abs(panel - colour) <= tolerance).all(axis=2)


def extent(mask, shape):
    """First and last row and column as shares of the panel."""
    places = np.argwhere(mask)
    return [*(places.min(0) / shape[:2]), *((places.max(0) + 1) / shape[:2])]


def test_regions_lie_where_they_are_and_the_ground_is_left_alone(tmp_path):
    image, regions, _ = tissue()
    alone, painted = panels_of(draw(tmp_path / "overlay.png", image, regions), 2)
    assert alone.shape[0] / alone.shape[1] == pytest.approx(60 / 90, rel=0.02)
    assert near(alone, [204, 128, 178]).mean() > 0.9  # all but the scale bar
    down, across, end_down, end_across = extent(near(painted, YELLOW), painted.shape)
    assert [down * 60, across * 90, end_down * 60, end_across * 90] == pytest.approx([15, 18, 25, 32], abs=0.5)
    down, across, end_down, end_across = extent(near(painted, BLUE), painted.shape)
    assert [down * 60, across * 90, end_down * 60, end_across * 90] == pytest.approx([10, 10, 60, 80], abs=0.5)
    assert near(painted, [204, 128, 178]).mean() == pytest.approx(1 - (600 + 400) / 5400, abs=0.02)
    tinted = 0.6 * np.array([204, 128, 178]) + 0.4 * np.array(BLUE)
    assert near(painted, tinted).mean() == pytest.approx((600 - 140 + 400) / 5400, abs=0.04)


def test_touching_objects_are_told_apart(tmp_path):
    """A chessboard of 30 objects without gaps: no two that share an edge have one colour."""
    rows, columns = np.indices((50, 60)) // 10
    objects = torch.as_tensor(1 + rows * 6 + columns)[None]
    image = torch.ones(3, 50, 60)
    pixels = draw(tmp_path / "overlay.png", image, 0 * objects, instances=objects)
    assert pixels.shape[1] > 2.4 * pixels.shape[0]  # three panels stand in one row
    *_, panel = panels_of(pixels, 3)
    height, width = panel.shape[0] / 5, panel.shape[1] / 6
    middles = np.array([[panel[int((r + 0.5) * height), int((c + 0.5) * width)] for c in range(6)] for r in range(5)])
    assert (np.abs(np.diff(middles, axis=0)).sum(axis=2) > 20).all()
    assert (np.abs(np.diff(middles, axis=1)).sum(axis=2) > 20).all()


def test_number_of_objects_counts_numbers_with_gaps(tmp_path, monkeypatch):
    image, regions, objects = tissue()
    seen = {}
    monkeypatch.setattr(picture_overlay, "_draw", lambda path, panels, *others: seen.update(panels))
    objects[objects == 2] = 70000
    picture = {"region_names": NAMES, "pixel_size_um": 1.0, "uncertainty": 0.1 * objects.sign()}
    draw_picture_overlay(
        image, regions, tmp_path, instances=objects, reference=regions, reference_instances=0 * objects, **picture
    )
    assert list(seen) == ["image", "regions", "reference regions", "objects: 2", "reference objects: 0", "uncertainty"]
    np.testing.assert_array_equal(seen["reference objects: 0"], seen["image"])
    painted = seen["objects: 2"]
    np.testing.assert_array_equal((painted != seen["image"]).any(axis=2), objects[0] > 0)
    pure = [tinted_regions._rgb(code).tolist() for code in tinted_regions.OBJECT_COLOURS]
    assert [painted[down, 20].tolist() in pure for down in (10, 11, 20, 28, 29)] == [True, False, False, False, True]
    np.testing.assert_array_equal(seen["reference regions"], seen["regions"])


def test_uncertainty_is_shown_from_sure_to_a_guess(tmp_path):
    """Black at 0, inferno's last colour at 1 - 1/3; the last of four panels, in the second row."""
    image, regions, objects = tissue()
    uncertainty = torch.zeros(1, 60, 90)
    uncertainty[:, :, 45:] = 2 / 3
    options = {"uncertainty": uncertainty, "instances": objects}
    *_, panel = panels_of(draw(tmp_path / "overlay.png", image, regions, **options), 4)
    height, width, _ = panel.shape
    assert near(panel, [0, 0, 3], tolerance=1)[height // 2, width // 4]
    assert near(panel, [252, 255, 164], tolerance=1)[height // 2, 3 * width // 4]


@pytest.mark.parametrize(("pixel_size_um", "length_um"), [(2.0, 20), (50.0, 1000), (0.01, 0.2)])
def test_scale_bar_has_its_length(tmp_path, monkeypatch, pixel_size_um, length_um):
    """On 90 pixels: at most a quarter, 22.5 pixels, of 1, 2 or 5 times a power of ten."""
    texts = []
    monkeypatch.setattr("matplotlib.axes.Axes.text", lambda self, x, y, text, **style: texts.append(text))
    image, regions, _ = tissue()
    panel, _ = panels_of(draw(tmp_path / "overlay.png", image, regions, pixel_size_um=pixel_size_um), 2)
    white = near(panel, [255, 255, 255]).any(axis=0)
    assert white.sum() / panel.shape[1] * 90 * pixel_size_um == pytest.approx(length_um, rel=0.1)
    assert texts == [f"{length_um:g} µm"]


def test_no_scale_no_bar(tmp_path):
    image, regions, _ = tissue()
    panel, _ = panels_of(draw(tmp_path / "overlay.png", image, regions, pixel_size_um=None), 2)
    assert near(panel, [204, 128, 178]).all()


def test_large_image_is_drawn_smaller_with_its_scale(tmp_path, monkeypatch):
    """90 pixels drawn as 30: a pixel is three times as long, the picture is averaged, regions are not."""
    monkeypatch.setattr(picture_overlay, "LONGEST_SIDE", 30)
    seen = []
    monkeypatch.setattr(picture_overlay, "_draw", lambda *arguments: seen.extend(arguments))
    image, regions, objects = tissue()
    image[0, ::3] = 0.2
    options = {"region_names": NAMES, "pixel_size_um": 2.0, "instances": objects, "uncertainty": image[:1]}
    draw_picture_overlay(image, regions, tmp_path / "overlay.png", **options)
    _, panels, _, pixel_um, _ = seen
    assert pixel_um == 6
    assert {panel.shape[:2] for panel in panels.values()} == {(20, 30)}
    np.testing.assert_allclose(panels["image"], np.broadcast_to([0.6, 0.5, 0.7], (20, 30, 3)), atol=1e-6)
    np.testing.assert_allclose(panels["uncertainty"], np.full((20, 30), 0.6), atol=1e-6)
    lumen = np.abs(panels["regions"] * 255 - YELLOW).max(axis=2) < 1
    assert extent(lumen, (1, 1)) == [5, 6, 8, 11]  # centres 16, 19, 22 of rows 15 to 24; 19, ... 31 of 18 to 31


@pytest.mark.parametrize("size", [(1, 1), (50, 1), (3, 2500)])
def test_any_size_with_everything(tmp_path, size):
    image, objects = torch.rand(1, *size), torch.ones(1, *size).int()
    options = {"instances": objects, "uncertainty": image / 2, "reference": objects, "reference_instances": objects}
    pixels = draw(tmp_path / "overlay.png", image, objects, title="any size", **options)
    assert max(pixels.shape) < 9000


def test_same_bytes_for_any_type_of_tensor(tmp_path):
    image, regions, objects = tissue()
    draw(tmp_path / "one.png", image, regions, instances=objects)
    draw(tmp_path / "two.png", MetaTensor(image.double()), MetaTensor(regions.long()), instances=MetaTensor(objects))
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_real_glands(tmp_path):
    """22 glands, some touching: each panel shows all of them."""
    folder = Path(os.environ.get("SEGMENTATION_DATA", "")) / "glas/Warwick_QU_half"
    if "SEGMENTATION_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("SEGMENTATION_DATA names no folder that holds glas/Warwick_QU_half")
    image, objects = (
        torch.as_tensor(np.array(Image.open(folder / name))) for name in ("testA_5.png", "testA_5_anno.png")
    )
    image, objects = image.permute(2, 0, 1) / 255, objects[None].int()
    options = {"instances": objects, "pixel_size_um": 1.24}
    _, regions, shown = panels_of(draw(tmp_path / "overlay.png", image, objects.sign(), **options), 3)
    changed = np.abs(regions - shown).sum(axis=2) > 20
    assert changed.mean() > 0.5 * (objects > 0).float().mean()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": torch.rand(4, 60, 90)}, r"image must be \(3, H, W\) or \(1, H, W\), got shape \(4, 60, 90\)"),
        ({"image": 255 * torch.ones(3, 60, 90)}, r"must be in \[0, 1\] to be shown, got values from 255 to 255"),
        ({"image": -torch.ones(3, 60, 90)}, r"must be in \[0, 1\]"),
        ({"image": torch.full((3, 60, 90), torch.nan)}, r"must be in \[0, 1\]"),
        ({"segmentation": torch.zeros(1, 30, 45)}, r"segmentation must be \(1, H, W\) .* got shape \(1, 30, 45\)"),
        ({"reference_instances": torch.zeros(60, 90)}, "reference_instances must be"),
    ],
)
def test_rejects_what_does_not_fit(tmp_path, change, message):
    image, regions, _ = tissue()
    with pytest.raises(ValueError, match=message):
        draw(tmp_path / "overlay.png", **({"image": image, "segmentation": regions} | change))
