import csv
import logging

import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor
from monai.engines import SupervisedEvaluator
from monai.handlers import IgniteMetricHandler, from_engine
from monai.metrics import DiceMetric

from shared.metrics import Hausdorff95Metric
from shared.reports import EvaluationTable

COLUMNS = {"dice": ["dice_a", "dice_b"], "hausdorff_95": ["hausdorff_95_mm_a", "hausdorff_95_mm_b"]}
EXPECTED = """\
case,dice_a,dice_b,hausdorff_95_mm_a,hausdorff_95_mm_b
first,1.0000,0.0000,0.0000,14.1421
second,0.5000,1.0000,2.0000,0.0000
mean,0.7500,0.5000,1.0000,7.0711
standard deviation,0.3536,0.7071,1.4142,10.0000
"""


def squares():
    """Two cases on 10 x 10 pixels: the second one's region a is moved by half its length, the first's b is missed."""
    first, second, moved = (torch.zeros(1, 10, 10) for _ in range(3))
    first[:, 2:6, 2:6] = second[:, 2:6, 2:6] = moved[:, 4:8, 2:6] = 1
    return [
        {"case": "first", "image": torch.cat([first, 0 * first]), "label": torch.cat([first, first])},
        {"case": "second", "image": torch.cat([moved, 0 * first]), "label": torch.cat([second, 0 * first])},
    ]


def evaluate(folder, cases, **options):
    """The network repeats the image, which serves as the prediction."""
    cases = [{key: MetaTensor(value) if key != "case" else value for key, value in case.items()} for case in cases]
    pairs = from_engine(["pred", "label"])
    evaluator = SupervisedEvaluator(
        device="cpu",
        val_data_loader=DataLoader(Dataset(cases), batch_size=1),
        network=torch.nn.Identity(),
        key_val_metric={"dice": IgniteMetricHandler(DiceMetric(ignore_empty=False), output_transform=pairs)},
        additional_metrics={"hausdorff_95": IgniteMetricHandler(Hausdorff95Metric(), output_transform=pairs)},
        val_handlers=[EvaluationTable(str(folder), **{"columns": COLUMNS, "title": "Squares", **options})],
    )
    evaluator.run()
    return evaluator


def test_table_of_two_cases_by_hand(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="EvaluationTable"):
        evaluate(tmp_path, squares(), notes=["Region b is the second one."], drawn=["dice", "hausdorff_95"])
    assert (tmp_path / "evaluation.csv").read_text() == EXPECTED
    markdown = (tmp_path / "evaluation.md").read_text()
    for line in [
        "# Squares",
        "|  | mean | 95 % interval | smallest | largest |",
        "| hausdorff_95_mm_b | 7.0711 ± 10.0000 | 0.0000 to 14.1421 | 0.0000 | 14.1421 |",
        "Region b is the second one.",
        "| second | 0.5000 | 1.0000 | 2.0000 | 0.0000 |",
    ]:
        assert line in markdown.splitlines()
    assert "95 % interval of a mean: percentile bootstrap over cases (9999 samples)." in markdown
    assert "| dice_a | 0.7500 ± 0.3536 | 0.5000 to 1.0000 | 0.5000 | 1.0000 |" in caplog.text
    assert (tmp_path / "evaluation.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} == {"evaluation.csv", "evaluation.md", "evaluation.png"}


def test_same_scores_give_the_same_bytes(tmp_path):
    for folder in ("one", "two"):
        evaluate(tmp_path / folder, squares())
    for suffix in ("csv", "md"):
        files = [tmp_path / folder / f"evaluation.{suffix}" for folder in ("one", "two")]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_one_case_has_no_spread(tmp_path):
    evaluate(tmp_path, squares()[:1], name="single")
    *_, mean, deviation = csv.reader((tmp_path / "single.csv").open())
    assert mean == ["mean", "1.0000", "0.0000", "0.0000", "14.1421"]
    assert deviation == ["standard deviation", "", "", "", ""]
    assert "| dice_a | 1.0000 |  | 1.0000 | 1.0000 |" in (tmp_path / "single.md").read_text()


def test_nan_stays_out_of_the_mean(tmp_path):
    table = EvaluationTable(str(tmp_path), {"dice": ["dice_a", "dice_b"]}, "With holes")
    evaluator = evaluate(tmp_path / "whole", squares())
    evaluator.state.metric_details["dice"] = torch.tensor([[float("nan"), float("nan")], [0.5, float("nan")]])
    table.cases = [{"case": "first"}, {"case": "second"}]
    table.write(evaluator)
    rows = list(csv.reader((tmp_path / "evaluation.csv").open()))
    assert rows[1:] == [
        ["first", "", ""],
        ["second", "0.5000", ""],
        ["mean", "0.5000", ""],
        ["standard deviation", "", ""],
    ]


def test_second_run_starts_anew(tmp_path):
    evaluator = evaluate(tmp_path, squares())
    evaluator.run()
    assert (tmp_path / "evaluation.csv").read_text() == EXPECTED


def test_says_which_metric_does_not_fit(tmp_path):
    with pytest.raises(ValueError, match=r"not computed: 'auc'; there are \['dice', 'hausdorff_95'\]"):
        evaluate(tmp_path, squares(), columns={"dice": ["a", "b"], "auc": ["auc"]})
    with pytest.raises(ValueError, match="'dice' has 2 x 2 scores, not 2 cases x 1 columns"):
        evaluate(tmp_path, squares(), columns={"dice": ["dice"]})
    with pytest.raises(ValueError, match=r"drawn names metrics without columns: \['iou'\]"):
        EvaluationTable(str(tmp_path), COLUMNS, "Squares", drawn=["iou"])
    assert not list(tmp_path.iterdir())
