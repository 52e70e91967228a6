"""The table of moments, and the figure of cases, on small arrays made by hand."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from ci.prepare import draw_cases, phantom_moments
from shared.errors import InputError

SPACING = (2.0, 2.0, 2.0)


@pytest.fixture
def case():
    """A brain of 16^3 voxels whose T1 has three levels, with 40 voxels of oedema of -1, 1, 3, 1, ... in FLAIR."""
    image, label = np.zeros((4, 20, 20, 20), np.float32), np.zeros((20, 20, 20), np.int8)
    image[:, 2:18, 2:18, 2:18] = 0.5
    image[0, 2:18, 2:18, 2:7], image[0, 2:18, 2:18, 7:12], image[0, 2:18, 2:18, 12:18] = -2.0, 0.125, 1.5
    label[4:14, 4:8, 9] = 2
    image[3][label == 2] = np.tile([-1.0, 1.0, 3.0, 1.0], 10)
    return image, label


def test_moments_by_hand(case):
    found = phantom_moments.moments_of(*case, SPACING)
    assert found["brain", "ml"] == pytest.approx(16**3 * 0.008)
    assert found["oedema", "ml"] == pytest.approx(40 * 0.008)
    assert found["enhancing", "ml"] == 0
    assert found["oedema", "flair mean"] == pytest.approx(1.0)
    assert found["oedema", "flair deviation"] == pytest.approx(np.sqrt(2))
    assert ("enhancing", "flair mean") not in found, "no class without voxels has a mean"
    levels = [found[tissue, "t1 mean"] for tissue in phantom_moments.TISSUES]
    assert levels == pytest.approx([-2.0, 0.125, 1.5])
    assert all(found[tissue, "t1 deviation"] == pytest.approx(0, abs=1e-5) for tissue in phantom_moments.TISSUES)


def test_the_table_says_how_far_off_a_mean_is():
    real = [{("oedema", "ml"): value} for value in (10.0, 20.0)]
    painted = [{("oedema", "ml"): value, ("oedema", "t2 mean"): 1.0} for value in (20.0, 30.0)]
    table = phantom_moments.moments_table(real, painted)
    assert list(table.index) == ["oedema, ml"]
    assert table.loc["oedema, ml"].tolist() == ["15 +- 5 (n = 2)", "25 +- 5 (n = 2)", "+2.0"]


def test_a_row_shows_the_slice_with_most_tumour_and_colours_its_classes(case):
    image, label = case
    grid = MetaTensor(image, affine=torch.diag(torch.tensor([*SPACING, 1.0])))
    row = draw_cases.row_of(grid, torch.from_numpy(label), "axial", tile_mm=40)
    assert row.shape == (40, 5 * 40, 3)
    grey, coloured = row[:, 120:160], row[:, 160:]
    yellow = coloured[..., 0].astype(int) > coloured[..., 2] + 20
    assert yellow.sum() == pytest.approx(40 * 4, rel=0.35)  # 40 voxels of 2 x 2 pixels
    assert (grey[..., 0] == grey[..., 1]).all()
    upper, right = (np.argwhere(yellow).mean(axis=0) - 19.5) * (-1, 1)
    assert upper < 0, "the front, y upwards, is up: this oedema is in the back half"
    assert right > 0, "the patient's left is right: this oedema is in the lower half of x"


def test_an_unknown_plane_is_named(tmp_path):
    with pytest.raises(InputError, match="plane 'top' is unknown; choose axial or coronal or sagittal"):
        draw_cases.main(dataset_dir=str(tmp_path), out=str(tmp_path / "a.png"), plane="top")
    with pytest.raises(InputError, match="num_cases: must be at least 1"):
        phantom_moments.main(dataset_dir=str(tmp_path), out=str(tmp_path), num_cases=0)
    with pytest.raises(InputError, match="num_cases: must be at least 1"):
        draw_cases.main(dataset_dir=str(tmp_path), out=str(tmp_path / "a.png"), num_cases=0)


@pytest.mark.parametrize("command", [phantom_moments, draw_cases])
def test_a_folder_without_a_whole_case_is_named(tmp_path, write_case, command):
    write_case("a", modalities=["flair", "t1"])
    write_case("b", label=False)
    with pytest.raises(InputError, match="no case has all of t1, t1ce, t2, flair and a label"):
        command.main(dataset_dir=str(tmp_path / "data"), out=str(tmp_path / "out"))
