import json
import logging

import pytest
import torch
from ignite.engine import Engine
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from monai.handlers import IgniteMetricHandler, from_engine

from shared.errors import InputError
from shared.metrics import ObjectDiceMetric
from shared.reports import GlandEvaluation, evaluation_writer
from shared.reports.gland_scores import score_glands

EXPECTED = """\
case,part,object_f1,object_dice,object_hausdorff_um,pixel_accuracy,class_correct,malignant_probability
testA_1,testA,1.0000,0.8889,1.0000,0.9000,1.0000,0.3000
testA_2,testA,0.0000,0.0000,inf,0.7500,0.0000,0.4000
testB_1,testB,1.0000,1.0000,0.0000,1.0000,1.0000,0.9000
mean,,0.6667,0.6296,4.0601,0.8833,0.6667,0.5333
standard deviation,,0.5774,0.5481,6.1865,0.1258,0.5774,0.3215
pooled testA,,0.6667,0.7407,2.6967,0.8250,0.5000,
pooled testB,,1.0000,1.0000,0.0000,1.0000,1.0000,
pooled,,0.8000,0.8021,2.0676,0.8833,0.6667,
"""


def gland(rows, columns, number=1):
    instances = torch.zeros(1, 10, 20, dtype=torch.int32)
    instances[:, slice(*rows), slice(*columns)] = number
    return instances


def item(name, true, found, grade, malignant):
    """The label is epithelium where the glands are, and so is the segmentation."""
    return {
        "case": name,
        "part": name.partition("_")[0],
        "image": torch.zeros(3, 10, 20),
        "instances": true,
        "label": (true > 0).to(torch.int8),
        "grade": grade,
        "found": found,
        "found_probabilities": torch.tensor([1 - malignant, malignant]),
    }


def items():
    """Pixels of 0.5 um: a gland without its last 2 of 10 columns; one of 50 pixels missed; one of 40 found."""
    return [
        item("testA_1", gland((0, 10), (0, 10)), gland((0, 10), (0, 8), 7), grade=0, malignant=0.3),
        item("testA_2", gland((0, 5), (10, 20)), gland((0, 0), (0, 0)), grade=1, malignant=0.4),
        item("testB_1", gland((2, 10), (3, 8), 300), gland((2, 10), (3, 8)), grade=1, malignant=0.9),
    ]


def postprocess(data):
    return {
        **data,
        "pred": (data["found"] > 0).to(torch.uint8),
        "pred_instances": data["found"],
        "class_probabilities": data["found_probabilities"],
        "true_instances": data["instances"],
    }


def evaluate(folder, cases, **options):
    table = GlandEvaluation(str(folder), pixel_size_um=0.5, **{"title": "Glands", **options})
    pairs = from_engine(["pred_instances", "true_instances"])
    evaluator = SupervisedEvaluator(
        device="cpu",
        val_data_loader=DataLoader(Dataset(cases), batch_size=2),
        network=torch.nn.Identity(),
        postprocessing=postprocess,
        key_val_metric={"dice": IgniteMetricHandler(ObjectDiceMetric(), output_transform=pairs)},
        val_handlers=[table],
    )
    evaluator.run()
    return evaluator


@pytest.fixture
def no_drawing(monkeypatch):
    """The picture is an empty file, which is there sooner."""
    monkeypatch.setattr("shared.reports.gland_evaluation.draw_points", lambda path, *others: path.touch())


def test_three_images_by_hand(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="GlandEvaluation"):
        evaluator = evaluate(tmp_path, items(), notes=["Derived labels."])
    assert (tmp_path / "evaluation.csv").read_text() == EXPECTED
    markdown = (tmp_path / "evaluation.md").read_text().splitlines()
    for line in [
        "# Glands",
        "3 cases: testA 2, testB 1.",
        "| pooled testA | 0.6667 | 0.7407 | 2.6967 | 0.8250 | 0.5000 |",
        "| pooled | 0.8000 | 0.8021 | 2.0676 | 0.8833 | 0.6667 |",
        "| mean testB | 1.0000 | 1.0000 | 0.0000 | 1.0000 | 1.0000 |",
        "| mean | 0.6667 ± 0.5774 | 0.6296 ± 0.5481 | 4.0601 ± 6.1865 | 0.8833 ± 0.1258 | 0.6667 ± 0.5774 |",
        "Derived labels.",
        "| true grade | predicted benign | predicted malignant |",
        "| benign | 1 | 0 |",
        "| malignant | 1 | 1 |",
        "| testA_2 | testA | 0.0000 | 0.0000 | inf | 0.7500 | 0.0000 | 0.4000 |",
    ]:
        assert line in markdown
    assert sum(line.startswith("| mean testA, 95 % interval |") for line in markdown) == 1
    assert not any(line.startswith("| mean testB, 95 % interval |") for line in markdown), "of one image there is none"
    assert any(line.startswith("1 case with objects only in the annotation") for line in markdown)
    assert "| pooled testB | 1.0000 |" in caplog.text
    assert (tmp_path / "evaluation.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} == {"evaluation.csv", "evaluation.md", "evaluation.png"}
    metrics = evaluator.state.metrics
    assert metrics.pop("dice") == pytest.approx(metrics["object_dice"], rel=1e-6)
    assert metrics == {
        "object_f1": 0.8,
        "object_dice": pytest.approx((111.1111 / 120 + 128.8889 / 190) / 2),
        "object_hausdorff_um": pytest.approx(2.0676, abs=1e-4),
        "pixel_accuracy": pytest.approx(530 / 600),
        "class_accuracy": pytest.approx(2 / 3),
    }
    assert evaluator.state.best_metric == pytest.approx(0.802144, abs=1e-6)


def test_cases_of_unknown_part_and_grade(tmp_path, no_drawing):
    cases = items()[2:]
    for case in cases:
        del case["part"], case["grade"]
    evaluator = evaluate(tmp_path, cases, name="single")
    assert (tmp_path / "single.csv").read_text().splitlines()[1:] == [
        "testB_1,,1.0000,1.0000,0.0000,1.0000,,0.9000",
        "mean,,1.0000,1.0000,0.0000,1.0000,,0.9000",
        "standard deviation,,,,,,,",
        "pooled,,1.0000,1.0000,0.0000,1.0000,,",
    ]
    markdown = (tmp_path / "single.md").read_text()
    assert "\n1 case.\n" in markdown
    assert "true grade" not in markdown
    assert "diagonal" not in markdown
    assert "class_accuracy" not in evaluator.state.metrics


def test_second_run_starts_anew_and_gives_the_same_bytes(tmp_path):
    evaluator = evaluate(tmp_path, items())
    files = [tmp_path / f"evaluation.{suffix}" for suffix in ("csv", "md", "png")]
    first = [file.read_bytes() for file in files]
    evaluator.run()
    assert [file.read_bytes() for file in files] == first


def test_images_of_all_processes_count_and_repeated_ones_once(tmp_path, monkeypatch, no_drawing):
    """The other process scored the last image and, as there were not enough, the first one again."""
    first, _, last = [json.dumps(score_glands(case, postprocess(case), pixel_size_um=0.5)) for case in items()]
    monkeypatch.setattr(evaluation_writer, "string_list_all_gather", lambda texts: [*texts, last, first])
    evaluate(tmp_path, items()[:2])
    assert (tmp_path / "evaluation.csv").read_text() == EXPECTED


def test_only_the_first_process_writes(tmp_path, no_drawing):
    table = GlandEvaluation(str(tmp_path / "none"), 0.5, "Glands")
    evaluator = evaluate(tmp_path / "first", items())
    evaluator.state.rank = 1
    evaluator.state.metrics = {}
    table.cases = [{"case": "an earlier run's"}]
    table.start(evaluator)
    assert table.cases == []
    table.cases = [score_glands(items()[2], postprocess(items()[2]), 0.5)]
    table.write(evaluator)
    assert not (tmp_path / "none").exists()
    assert evaluator.state.metrics["object_f1"] == 1


@pytest.mark.parametrize("key", ["instances", "label"])
def test_says_what_an_image_lacks(tmp_path, key):
    case = items()[0]
    del case[key]
    with pytest.raises(InputError, match=f"case testA_1 has no {key}; evaluate images whose glands are annotated"):
        score_glands(case, postprocess({"instances": None, **case}), 0.5)


def test_says_at_the_start_that_the_folder_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    engine = Engine(lambda engine, batch: None)
    engine.state.rank = 0
    with pytest.raises(InputError, match="choose another output folder"):
        GlandEvaluation(str(tmp_path / "file"), 0.5, "Glands").start(engine)
