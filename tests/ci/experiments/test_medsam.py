import json
import shutil
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy import ndimage

from ci.experiments import medsam
from ci.experiments.medsam_case import segment
from ci.experiments.medsam_figure import draw_medsam
from ci.experiments.medsam_network import MedSAM
from ci.experiments.medsam_prompts import Prompt, grey_of, prompts_of
from shared.errors import InputError
from shared.handlers import ReadPredictions
from shared.phantoms import paint_brats_phantoms

BUNDLE = "bundles/brats_mri_segmentation_expert_consistency"
SIZE = 64


class FillsBoxes(torch.nn.Module):
    """In place of SAM: in each box the probability is high, up to half a voxel of its masks, a quarter of the input."""

    config = SimpleNamespace(vision_config=SimpleNamespace(image_size=SIZE))

    def get_image_embeddings(self, pixels):
        assert pixels.shape == (1, 3, SIZE, SIZE)
        return pixels

    def forward(self, image_embeddings, input_boxes, multimask_output):
        assert not multimask_output
        middles = (torch.arange(SIZE // 4) + 0.5) * 4
        left, top, right, bottom = input_boxes[0].T[..., None, None]
        inside = (middles > left) & (middles < right) & (middles[:, None] > top) & (middles[:, None] < bottom)
        return SimpleNamespace(pred_masks=(20.0 * inside - 10)[None, :, None])


@pytest.fixture
def filling():
    return MedSAM(FillsBoxes(), torch.device("cpu"))


def label_of(values, spacing_mm=(1.0, 1.0, 1.0)):
    return MetaTensor(torch.as_tensor(values)[None], affine=torch.diag(torch.tensor([*spacing_mm, 1.0])))


def test_boxes_by_hand():
    """Oedema in columns 4 to 6 and rows 2 to 7 of slice 1, an enhancing voxel in it; voxels of 1 x 2 mm."""
    values = np.zeros((16, 10, 3), np.uint8)
    values[4:7, 2:8, 1] = 2
    values[5, 3, 1] = 3
    found = prompts_of(label_of(values, (1.0, 2.0, 4.0)), margin_mm=5.0)
    assert found == [
        Prompt("WT", 1, (0.0, 0.0, 12.0, 10.0)),  # 4 - 5 and 2 - 2.5 are outside
        Prompt("TC", 1, (0.0, 0.5, 11.0, 6.5)),
        Prompt("ET", 1, (0.0, 0.5, 11.0, 6.5)),
    ]


def test_a_box_per_part_of_the_volume_and_slice():
    values = np.zeros((12, 12, 3), np.uint8)
    values[1, 1, 0] = values[3, 3, 0] = 2  # two parts that are one by a bridge in the next slice
    values[2, 2, 1] = 2
    values[8, 8, 0] = 2  # another
    boxes = [(prompt.slice, prompt.box) for prompt in prompts_of(label_of(values), 0.0)]
    assert boxes == [(0, (1, 1, 4, 4)), (0, (8, 8, 9, 9)), (1, (2, 2, 3, 3))]


def test_grey_values_by_hand():
    """Of 1 to 201 the percentiles 0.5 and 99.5 are 2 and 200; air stays 0 and does not count."""
    volume = torch.cat([torch.zeros(99), torch.arange(1.0, 202.0)]).view(10, 10, 3)
    grey = grey_of(volume).ravel()
    assert grey.dtype == np.uint8
    assert (grey[:101] == 0).all()
    assert grey[101] == int(255 * 1 / 198)
    assert (grey[-2:] == 255).all()


def test_a_voxel_gets_the_class_of_the_smallest_region(filling):
    prompts = [Prompt("ET", 1, (8, 8, 10, 10)), Prompt("TC", 1, (4, 4, 10, 10)), Prompt("WT", 1, (0, 4, 16, 12))]
    greys = {"flair": np.zeros((16, 16, 2), np.uint8), "t1ce": np.ones((16, 16, 2), np.uint8)}
    classes = segment(filling, greys, prompts, medsam.SHOWN_IN)
    assert not classes[..., 0].any()
    expected = np.zeros((16, 16), np.uint8)
    expected[:, 4:12], expected[4:10, 4:10], expected[8:10, 8:10] = 2, 1, 3
    assert (classes[..., 1] == expected).all()


def test_each_region_is_segmented_in_its_modality_which_is_encoded_once(filling, monkeypatch):
    greys = {name: np.full((16, 16, 1), number, np.uint8) for number, name in enumerate(["t1", "t1ce", "flair"])}
    seen, encode = [], filling.embed
    monkeypatch.setattr(filling, "embed", lambda grey: seen.append(grey.max()) or encode(grey))
    segment(filling, greys, [Prompt(region, 0, (1, 1, 9, 9)) for region in medsam.CLASSES], medsam.SHOWN_IN)
    assert seen == [2, 1]


def test_slices_are_stretched_to_the_square_of_the_network(filling):
    """Rows and columns of another number and values from 20 to 220, linear along the columns."""
    pixels = filling.embed(np.tile(np.linspace(20, 220, 32).astype(np.uint8), (20, 1)))
    assert (float(pixels.min()), float(pixels.max())) == (0, 1)
    assert torch.equal(pixels[:, 0], pixels[:, 2])
    assert torch.allclose(pixels[0, 0], torch.linspace(0, 1, SIZE).expand(SIZE, SIZE), atol=0.02)
    (mask,) = filling.masks(pixels, [(8, 5, 24, 15)], (20, 32))
    expected = np.zeros((20, 32), bool)
    expected[5:15, 8:24] = True
    assert (mask != expected).sum() <= 2 * (10 + 16)  # the masks are coarser than the image
    assert (mask & ndimage.binary_erosion(expected)).sum() == 8 * 14


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    """Oblique ones, whose first axis goes to the left and whose slices are the second axis."""
    affine = [[-5.0, 0, 0.3, 90], [0, 0.4, 5.0, -70], [0.2, -5.0, 0, 60], [0, 0, 0, 1]]
    folder = tmp_path_factory.mktemp("phantoms")
    paint_brats_phantoms(folder / "data", num_cases=2, size=(28, 26, 32), spacing_mm=(5.0, 5.0, 5.0), affine=affine)
    return folder / "data"


@pytest.fixture
def run(filling, phantoms, tmp_path, monkeypatch):
    monkeypatch.setattr(medsam, "load_medsam", lambda checkpoint, device: filling)

    def of(**settings):
        options = {"dataset_dir": str(phantoms), "split_fractions": [0, 0, 1], "margin_mm": 0.0}
        medsam.main(checkpoint="none.pth", bundle=BUNDLE, out=str(tmp_path / "out"), **options | settings)
        return tmp_path / "out"

    return of


def test_label_maps_are_on_the_grid_of_the_reference_and_fill_its_boxes(run, phantoms):
    """Without a margin the filled boxes hold the reference, apart from the edges, which its coarse masks round."""
    for place in sorted(run().iterdir()):
        case = place.name
        reference = nibabel.load(phantoms / case / f"{case}_seg.nii.gz")
        found = nibabel.load(place / f"{case}_seg.nii.gz")
        assert found.shape == reference.shape
        np.testing.assert_array_equal(found.affine, reference.affine)
        true, predicted = np.asarray(reference.dataobj) > 0, np.asarray(found.dataobj) > 0
        boxes = np.zeros_like(true)
        for number in np.flatnonzero(true.any(axis=(0, 2))):
            parts, _ = ndimage.label(true, np.ones((3, 3, 3)))
            for box in filter(None, ndimage.find_objects(parts[:, number])):
                boxes[:, number][box] = True
        overlap = 2 * (boxes & predicted).sum() / (boxes.sum() + predicted.sum())
        assert overlap > 0.9
        record = json.loads((place / f"{case}.json").read_text())
        assert {box["region"] for box in record["boxes"]} <= {"WT", "TC", "ET"}
        assert record["margin_mm"] == 0
        assert (place / f"{case}_medsam.png").read_bytes().startswith(b"\x89PNG")


def test_the_evaluation_reads_the_results(run, phantoms):
    out = run(num_cases=1)
    (place,) = out.iterdir()
    label = nibabel.load(phantoms / place.name / f"{place.name}_seg.nii.gz")
    grid = MetaTensor(torch.zeros(1, *label.shape), affine=torch.from_numpy(label.affine))
    classes = ReadPredictions(str(out), [{"case": place.name}], num_classes=4).read(place.name, grid).argmax(dim=0)
    assert {*classes.unique().tolist()} <= {0, 1, 2, 3}


def test_the_figure_has_the_modalities_both_methods_and_the_reference(run, phantoms, monkeypatch):
    """The other method's label maps are here those of the reference, in the numbers of their files."""
    drawn = []
    monkeypatch.setattr(
        "ci.experiments.medsam_case.draw_medsam",
        lambda path, greys, segmentations, *rest, **style: (
            path.write_bytes(b"png"),
            drawn.append((greys, segmentations, style)),
        ),
    )
    run(predictions=str(phantoms), prediction_convention="brats2021", num_cases=1, heading="ours")
    ((greys, segmentations, style),) = drawn
    assert list(greys) == ["t1", "t1ce", "t2", "flair"]
    assert list(segmentations) == ["MedSAM and its boxes", "ours", "reference"]
    assert torch.equal(segmentations["ours"], segmentations["reference"].long())
    assert style["behind"] == "flair"


def test_boxes_are_drawn_around_the_reference(filling, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("matplotlib.axes.Axes.add_patch", lambda self, patch: drawn.append(patch.get_bbox().extents))
    values = torch.zeros(12, 10, 3, dtype=torch.uint8)
    values[4:7, 2:8, 1] = 2
    prompts = prompts_of(label_of(values), 0.0)
    draw_medsam(
        tmp_path / "figure.png",
        {"flair": np.ones((12, 10, 3), np.uint8)},
        {"MedSAM and its boxes": values, "reference": values},
        prompts,
        behind="flair",
        spacing_mm=(1.0, 1.0, 1.0),
        class_names=["a", "b", "c"],
    )
    (extents,) = [box for box in drawn if box[2] - box[0] == 3]
    assert extents.tolist() == [3.5, 1.5, 6.5, 7.5]


def test_one_bad_case_stops_no_other(run, phantoms, tmp_path):
    shutil.copytree(phantoms, tmp_path / "data")
    (tmp_path / "data/Phantom_000/Phantom_000_t1ce.nii.gz").unlink()
    with pytest.raises(InputError, match="1 of 2 cases were not segmented: case Phantom_000: t1ce is absent; name oth"):
        run(dataset_dir=str(tmp_path / "data"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["Phantom_001"]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"margin_mm": -1}, "margin_mm: expected millimetres from 0 on, got -1"),
        ({"num_cases": 0}, "num_cases: expected a whole number from 1 on, got 0"),
        (
            {"shown_in": {"WT": "flair"}},
            r"shown_in: expected a modality \(t1, t1ce, t2, flair\) for each of WT, TC, ET",
        ),
        ({"shown_in": {**medsam.SHOWN_IN, "ET": "adc"}}, r"got \{.*'ET': 'adc'\}"),
        ({"predictions": "nowhere"}, "--predictions nowhere: no such folder"),
    ],
)
def test_wrong_settings_are_named(run, settings, text):
    with pytest.raises(InputError, match=text):
        run(**settings)
