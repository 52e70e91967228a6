import json

import nibabel
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from monai.data import MetaTensor

from shared.transforms import Experts, SaveImageExpertsd, draw_experts

MODALITIES = ["t1", "t1ce", "flair"]
CLASSES = ["core", "oedema"]
AFFINE = torch.diag(torch.tensor([1.0, 1.0, 2.0, 1.0], dtype=torch.float64))


def case(region=True):
    """T1ce is absent; the experts' grid is as fine as the file's, without its last planes."""
    image = torch.randn(3, 20, 24, 10, generator=torch.Generator().manual_seed(0))
    image[1] = torch.nan
    segmentation = torch.zeros(1, 20, 24, 10)
    segmentation[:, 5:12, 5:12, 3:6] = 2
    probabilities = torch.zeros(3, 3, 20, 24, 8)
    probabilities[:, 0] = 1
    probabilities[2, :, 5:12, 5:12, 3:6] = torch.tensor([0.1, 0.2, 0.7])[:, None, None, None]
    experts = Experts(
        probabilities=probabilities,
        region=segmentation[..., :8] / 2 if region else None,
        affine=AFFINE,
        present=torch.tensor([True, False, True]),
        weights=torch.tensor([0.25, 0, 0.75]),
        agreement=torch.tensor([0.5, 0, 0.5]),
        region_agreement=torch.tensor([0.125, 0, 0.125]) if region else None,
    )
    volumes = {"image": image, "pred": segmentation, "uncertainty": torch.zeros_like(segmentation)}
    return {"case": "P1", "experts": experts} | {
        name: MetaTensor(volume, affine=AFFINE) for name, volume in volumes.items()
    }


def save(folder, data, **options):
    (folder / "metadata.json").write_text(json.dumps({"name": "Test bundle", "version": "0.1.0"}))
    SaveImageExpertsd(str(folder / "out"), MODALITIES, CLASSES, str(folder / "metadata.json"), **options)(data)
    return json.loads((folder / "out/P1/P1.json").read_text())


def test_record_says_how_much_each_expert_counted_and_agreed(tmp_path):
    record = save(tmp_path, case())
    assert record["experts"] == {
        "weights": {"t1": 0.25, "flair": 0.75},
        "agreement": {"t1": 0.5, "flair": 0.5},
        "agreement_in_region": {"t1": 0.125, "flair": 0.125},
    }
    assert "experts" not in record["outputs"]
    assert not (tmp_path / "out/P1/P1_experts.png").exists()


def test_the_figure_is_drawn_on_demand_and_the_same_each_time(tmp_path):
    assert save(tmp_path, case(), draw_experts=True)["outputs"]["experts"] == "P1_experts.png"
    first = (tmp_path / "out/P1/P1_experts.png").read_bytes()
    save(tmp_path, case(), draw_experts=True)
    assert (tmp_path / "out/P1/P1_experts.png").read_bytes() == first


def test_a_network_without_experts(tmp_path):
    data = case()
    del data["experts"]
    record = save(tmp_path, data, draw_experts=True)
    assert "experts" not in record
    assert "experts" not in record["outputs"]
    assert nibabel.load(tmp_path / "out/P1/P1_seg.nii.gz").shape == (20, 24, 10)


@pytest.mark.parametrize("region", [True, False])
def test_what_is_drawn(tmp_path, monkeypatch, region):
    """A column per modality with what its expert says, then fusion and region map, on the file's own voxels."""
    figures = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **more: figures.append(self) or save(self, *a, **more))
    data = case(region)
    arguments = (data["image"], data["pred"], data["experts"], tmp_path / "figure.png")
    draw_experts(*arguments, modalities=MODALITIES, class_names=CLASSES, title="P1")
    panels = figures[0].axes[:8]
    numbers = "weight 0.25\nagrees 0.50" + ", in region 0.12" * region
    assert [ax.get_title() for ax in panels] == [
        "t1",
        "",
        "flair",
        "fusion, on flair",
        f"t1 expert, {numbers}",
        "",
        f"flair expert, {numbers.replace('0.25', '0.75')}",
        "region map" if region else "",
    ]
    assert [text.get_text() for text in panels[1].texts] == ["t1ce\nabsent"]
    tints = [ax.images[1].get_array()[..., 3] if len(ax.images) > 1 else None for ax in panels]
    assert tints[3].astype(bool).sum() == 49
    assert tints[4].astype(bool).sum() == 0
    np.testing.assert_array_equal(tints[6], tints[3])
    if region:
        np.testing.assert_allclose(panels[7].images[0].get_array(), tints[3] > 0, atol=1e-5)
    else:
        assert [text.get_text() for text in panels[7].texts] == ["no region map"]
