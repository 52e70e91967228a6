import nibabel
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.image import imread
from monai.data import MetaTensor
from scipy import ndimage

from shared.transforms import draw_overlay

NAMES = {"modalities": ["t1ce", "flair"], "class_names": ["necrosis", "oedema", "enhancing"]}
RAS = np.diag([1.0, 1.0, 2.0, 1.0])


def phantom():
    """A head of 30 x 40 x 20 voxels; a tumour in the patient's right, front, upper part. Axes as in RAS."""
    head = np.zeros((36, 46, 24))
    head[3:33, 3:43, 2:22] = 1 + np.random.default_rng(0).random((30, 40, 20))
    tumour = np.zeros_like(head)
    tumour[24:31, 30:41, 15:20] = 3
    return head, tumour


def draw(path, head, tumour, affine=RAS, **options):
    image = np.stack([np.full_like(head, np.nan), head])  # the first modality is absent
    volumes = [MetaTensor(torch.as_tensor(values.copy()), affine=affine) for values in (image, tumour[None])]
    draw_overlay(*volumes, path, **NAMES, **options)
    return path.read_bytes()


def panels_of(path):
    """The panels of a picture from left to right and from the top down, as RGB arrays."""
    pixels = imread(path)[..., :3]
    regions, _ = ndimage.label(pixels.min(axis=2) < 0.95)
    boxes = [box for box in ndimage.find_objects(regions) if pixels[box].size > 3 * 3000]
    return [pixels[box] for box in sorted(boxes, key=lambda box: (box[0].start // 40, box[1].start))]


def place(panel, mask):
    """Centre of a mask relative to the panel's, (down, across), in [-1, 1]."""
    return 2 * np.argwhere(mask).mean(axis=0) / panel.shape[:2] - 1


def is_orange(panel):
    return panel[..., 0] - panel[..., 2] > 0.25


def test_right_is_left_front_and_top_are_up(tmp_path):
    draw(tmp_path / "overlay.png", *phantom())
    panels = panels_of(tmp_path / "overlay.png")
    assert len(panels) == 6
    assert not any(is_orange(panel).any() for panel in panels[::2])  # the image alone
    for panel in panels[1::2]:
        down, across = place(panel, is_orange(panel))
        assert down < -0.2  # axial: to the front; coronal and sagittal: upwards
        assert across < -0.2  # axial and coronal: to the patient's right; sagittal: to the front


def test_sizes_are_in_proportion_to_millimetres(tmp_path):
    """30 x 40 x 20 voxels of 1 x 1 x 2 mm and a margin of 3 (across, along) and 2 voxels (up)."""
    draw(tmp_path / "overlay.png", *phantom())
    for panel, (height, width) in zip(panels_of(tmp_path / "overlay.png")[::2], [(46, 36), (48, 36), (48, 46)]):
        assert panel.shape[0] / panel.shape[1] == pytest.approx(height / width, rel=0.03)


@pytest.fixture(scope="module")
def upright(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("ras") / "ras.png", *phantom())


@pytest.mark.parametrize("codes", ["LPS", "SPL", "ARI", "PIR"])
def test_any_order_of_axes_gives_the_same_picture(tmp_path, upright, codes):
    head, tumour = phantom()
    transform = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(codes)
    )
    turned = [nibabel.orientations.apply_orientation(values, transform) for values in (head, tumour)]
    affine = RAS @ nibabel.orientations.inv_ornt_aff(transform, head.shape)
    assert "".join(nibabel.aff2axcodes(affine)) == codes
    assert draw(tmp_path / "turned.png", *turned, affine=affine) == upright


def test_modality_that_is_there_is_shown_in_its_own_greys(tmp_path):
    """Air is black, whatever the brain's values are; the head's values spread from black to white."""
    head, tumour = phantom()
    draw(tmp_path / "overlay.png", np.where(head > 0, -head - 5, 0), tumour)
    panel = panels_of(tmp_path / "overlay.png")[0][..., 0]
    assert panel[3, 3] == 0
    assert panel[10:-10, 10:-10].max() > 0.9
    assert panel[10:-10, 10:-10].min() < 0.1


def test_absent_modalities_are_named(tmp_path, monkeypatch):
    texts = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **o: texts.extend(t.get_text() for t in self.texts))
    head, tumour = phantom()
    volumes = [MetaTensor(torch.as_tensor(values), affine=RAS) for values in (np.stack([head, head]), tumour[None])]
    draw_overlay(*volumes, tmp_path / "overlay.png", **NAMES)
    assert "absent: " not in "".join(texts)
    volumes[0][0] = torch.nan
    draw_overlay(*volumes, tmp_path / "overlay.png", **NAMES)
    assert "absent: t1ce" in texts


@pytest.mark.parametrize(
    ("modalities", "lacking", "shown"),
    [
        (["t1", "t1ce", "flair"], [], "flair"),
        (["t1", "t1ce", "flair"], [2], "t1"),
        (["t1", "t1ce", "flair"], [0, 2], "t1ce"),
        (["t2", "adc", "dwi"], [], "t2"),
    ],
)
def test_flair_is_shown_if_it_is_there_else_the_first_modality(tmp_path, monkeypatch, modalities, lacking, shown):
    titles = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **o: titles.append(self.axes[0].get_title()))
    head, tumour = phantom()
    image = MetaTensor(torch.as_tensor(np.stack([head] * 3)), affine=RAS)
    image[lacking] = torch.nan
    names = {**NAMES, "modalities": modalities}
    draw_overlay(image, MetaTensor(torch.as_tensor(tumour[None]), affine=RAS), tmp_path / "overlay.png", **names)
    assert titles == [shown]


def test_nothing_segmented(tmp_path):
    head, tumour = phantom()
    draw(tmp_path / "overlay.png", head, 0 * tumour)
    assert not any(is_orange(panel).any() for panel in panels_of(tmp_path / "overlay.png"))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("slices", [1, 2])
def test_thin_volumes_with_everything(tmp_path, axis, slices):
    head, tumour = (values.take(range(15, 15 + slices), axis) for values in phantom())
    others = {name: torch.as_tensor(tumour[None].copy()) for name in ("uncertainty", "label")}
    assert draw(tmp_path / "overlay.png", head, tumour, **others, title="thin").startswith(b"\x89PNG")


def test_tumour_outside_of_the_brain_is_not_cut_off(tmp_path):
    head, tumour = phantom()
    head[:20], tumour[:] = 0, 0
    tumour[1:4, 20:24, 10:14] = 3
    draw(tmp_path / "overlay.png", head, tumour)
    assert all(is_orange(panel).any() for panel in panels_of(tmp_path / "overlay.png")[1::2])


def test_rejects_an_image_without_a_modality(tmp_path):
    head, tumour = phantom()
    with pytest.raises(ValueError, match=r"with a modality free of NaN, got \(2, 36, 46, 24\)"):
        draw(tmp_path / "overlay.png", head * np.nan, tumour)
