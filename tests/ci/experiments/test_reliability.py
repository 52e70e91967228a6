import json

import pandas
import pytest
import torch
from monai.data import MetaTensor
from monai.inferers import SimpleInferer
from pandas import DataFrame

from ci.experiments import reliability, reliability_tables
from shared.errors import InputError
from shared.inferers import ExpertsInferer
from shared.networks import CLoE, RFNet
from shared.phantoms import paint_brats_phantoms

BUNDLE = "bundles/brats_mri_segmentation_expert_consistency"
NAMES = ["t1", "t1ce", "t2", "flair"]


def row(case, modality, corruption="none", spoilt="", **scores):
    numbers = {"dice": 0.5, "agreement": 0.5, "agreement_in_region": 0.5, "weight": 0.25} | scores
    return {"training": "a", "case": case, "corruption": corruption, "spoilt": spoilt, "modality": modality} | numbers


def test_rank_correlation_by_hand():
    table = DataFrame({"dice": [0.1, 0.2, 0.3, 0.4], "weight": [1.0, 2.0, 4.0, 3.0]})
    assert reliability_tables.rank_correlation(table, "weight") == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert reliability_tables.rank_correlation(-table, "weight") == pytest.approx(0.8)
    assert reliability_tables.rank_correlation(table.assign(weight=-table["weight"]), "weight") == pytest.approx(-0.8)


@pytest.mark.parametrize("weights", [[0.25] * 4, [0.25, 0.2500001, 0.25, 0.25], [0.1, 0.2, None, None]])
def test_no_correlation_of_constants_and_pairs(weights):
    table = DataFrame({"dice": [0.1, 0.2, 0.3, 0.4], "weight": weights})
    assert pandas.isna(reliability_tables.rank_correlation(table, "weight"))


def test_correlations_over_all_and_within_cases():
    """Within both cases the order is the same; between them it is turned round."""
    rows = [
        row(case, str(m), dice=base + 0.1 * m, agreement=0.5 - base + 0.1 * m)
        for case, base in (("x", 0.0), ("y", 0.5))
        for m in range(3)
    ]
    line = reliability_tables.correlations(DataFrame(rows)).loc["none"]
    assert (line["experts"], line["cases"]) == ("6", "2")
    over_all, within = line["agreement"].split(" / ")
    assert within == "1.00"
    assert float(over_all) < 0


def test_effects_are_those_on_the_spoilt_expert():
    rows = [
        row("x", "t1", dice=0.8, weight=0.5), row("x", "t2", dice=0.6, weight=0.5),
        row("y", "t1", dice=0.4, weight=0.5), row("y", "t2", dice=0.6, weight=0.5),
        row("x", "t1", "noise", "t1", dice=0.2, weight=0.3), row("x", "t2", "noise", "t1", dice=0.6, weight=0.7),
        row("y", "t1", "noise", "t2", dice=0.4, weight=0.4), row("y", "t2", "noise", "t2", dice=0.5, weight=0.6),
    ]  # fmt: skip
    line = reliability_tables.effects(DataFrame(rows)).loc["noise"]
    assert line["cases"] == "2"
    assert line["Dice"] == "0.700 to 0.350, lowest in 50%"
    assert line["weight"] == "0.500 to 0.450, lowest in 50%"


def test_dice_of_each_expert_is_that_of_its_own_foreground():
    """Experts that are told what to say: the first finds the tumour, the second half of it, the third nothing."""
    label = torch.zeros(1, 16, 16, 16)
    label[:, :8, :8, :8] = torch.tensor([1.0, 2.0]).repeat(4)
    logits = torch.zeros(1, 4, 3, 16, 16, 16)
    logits[:, :, 0] = 5
    logits[:, 0, 1, :8, :8, :8] = 9
    logits[:, 1, 2, :8, :8, :4] = 9
    network = CLoE(features=2, out_channels=3).eval()
    network.segment_with_experts = lambda image, *_: {
        "pred": torch.zeros(1, 3, 16, 16, 16),
        "experts": logits,
        "weights": torch.tensor([[0.4, 0.3, 0.2, 0.1]]),
    }
    image = MetaTensor(torch.ones(4, 16, 16, 16))
    image[3] = torch.nan
    rows = reliability.expert_rows(network, ExpertsInferer(SimpleInferer()), image, label, NAMES, 3)
    assert [row["modality"] for row in rows] == ["t1", "t1ce", "t2"]
    assert [row["dice"] for row in rows] == pytest.approx([1, 2 / 3, 0])
    assert [row["weight"] for row in rows] == pytest.approx([0.4, 0.3, 0.2])
    assert all(pandas.isna(row["agreement_in_region"]) for row in rows)


def test_network_without_experts():
    image, label = MetaTensor(torch.ones(4, 16, 16, 16)), torch.zeros(1, 16, 16, 16)
    with pytest.raises(InputError, match="RFNet has no experts; choose trainings of CLoE"):
        reliability.expert_rows(RFNet(features=2), ExpertsInferer(SimpleInferer()), image, label, NAMES, 4)


def test_a_training_of_a_study(tmp_path, capsys):
    """Phantoms and an untrained network in a folder as a study leaves it."""
    paint_brats_phantoms(str(tmp_path / "data"), num_cases=8, size=(20, 24, 18), spacing_mm=(7.0, 7.0, 7.0))
    (tmp_path / "seed0/models").mkdir(parents=True)
    settings = {"overlays": ["tiny", "no_contrast"], "dataset_dir": str(tmp_path / "data")}
    (tmp_path / "seed0/study_settings.json").write_text(json.dumps(settings))
    torch.save(CLoE(features=2).state_dict(), tmp_path / "seed0/models/model.pt")
    reliability.main(str(tmp_path / "seed*"), bundle=BUNDLE, out=str(tmp_path / "out"), evaluate_part="test")
    table = pandas.read_csv(tmp_path / "out/reliability.csv", keep_default_na=False)
    assert table.groupby("corruption").size().eq(2 * 4).all()
    assert set(table["corruption"]) == {"none", "noise", "bias field", "another patient"}
    assert table["weight"].eq(0.25).all()  # the last layer of an untrained gate is zero
    text = (tmp_path / "out/reliability.md").read_text()
    assert text in capsys.readouterr().out
    assert "| another patient | 8 | 2 |" in text
    assert (tmp_path / "out/reliability.png").read_bytes().startswith(b"\x89PNG")


def test_folder_that_is_no_training(tmp_path):
    with pytest.raises(InputError, match=r"is no training of `python -m ci study`"):
        reliability.main(str(tmp_path), bundle=BUNDLE, out=str(tmp_path / "out"))
    with pytest.raises(InputError, match="trainings: name one or more folders"):
        reliability.main(bundle=BUNDLE, out=str(tmp_path / "out"))
