import json
import logging

import pytest
import torch
from ignite.engine import Engine
from monai.data import DataLoader, Dataset, MetaTensor
from monai.engines import SupervisedEvaluator
from pandas import DataFrame

from shared.errors import InputError
from shared.metrics import calibration_bins, error_of_bins, expected_calibration_error
from shared.reports import LesionEvaluation, evaluation_writer, lesion_evaluation
from shared.reports.lesion_scores import lesion_scores, score_mask

CLASSES = ["normal", "benign", "malignant"]
FILES = {"evaluation.csv", "evaluation.md", "evaluation.png", "confusion.png", "roc.png", "reliability.png"}
EXPECTED = """\
case,true_class,dice,iou,sensitivity,precision,lesion_found_in_normal,class_correct,probability_normal,\
probability_benign,probability_malignant,macro_f1,macro_precision,auc,class_expected_calibration_error,\
mask_expected_calibration_error
benign (1),benign,0.8889,0.8000,0.8000,1.0000,,1.0000,0.1500,0.7500,0.1000,,,,,
malignant (1),malignant,0.0000,0.0000,0.0000,0.0000,,0.0000,0.6500,0.2500,0.1000,,,,,
malignant (2),malignant,0.6667,0.5000,1.0000,0.5000,,1.0000,0.1000,0.0500,0.8500,,,,,
normal (1),normal,,,,,0.0000,1.0000,0.9500,0.0300,0.0200,,,,,
normal (2),normal,,,,,1.0000,1.0000,0.5500,0.3500,0.1000,,,,,
mean,,0.5185,0.4333,0.6000,0.5000,0.5000,0.8000,0.4800,0.2860,0.2340,,,,,
standard deviation,,0.4626,0.4041,0.5292,0.5000,0.7071,0.4472,0.3564,0.2924,0.3461,,,,,
pooled,,0.6154,0.4444,0.5714,0.6667,0.5000,0.8000,,,,0.8222,0.8889,0.8889,0.3100,0.1600
"""


def rectangle(rows, columns):
    mask = torch.zeros(1, 10, 20, dtype=torch.uint8)
    mask[:, slice(*rows), slice(*columns)] = 1
    return mask


def item(name, true, found, probabilities, uncertainty=0.05):
    """The class is in the case's name, as in BUSI."""
    return {
        "case": name,
        "image": torch.zeros(3, 10, 20),
        "label": MetaTensor(true.to(torch.int8)),
        "class": CLASSES.index(name.split()[0]),
        "found": MetaTensor(found),
        "found_uncertainty": MetaTensor(torch.full((1, 10, 20), uncertainty)),
        "found_probabilities": torch.tensor(probabilities),
    }


def items():
    """A lesion of 50 pixels found but for 10, one missed, one of 40 found twice as large; 10 found where none is."""
    none = rectangle((0, 0), (0, 0))
    return [
        item("benign (1)", rectangle((0, 5), (0, 10)), rectangle((0, 4), (0, 10)), [0.15, 0.75, 0.1]),
        item("malignant (1)", rectangle((5, 10), (0, 10)), none, [0.65, 0.25, 0.1]),
        item("malignant (2)", rectangle((0, 4), (0, 10)), rectangle((0, 4), (0, 20)), [0.1, 0.05, 0.85]),
        item("normal (1)", none, none, [0.95, 0.03, 0.02], uncertainty=0.25),
        item("normal (2)", none, rectangle((0, 1), (0, 10)), [0.55, 0.35, 0.1], uncertainty=0.25),
    ]


def postprocess(data):
    return {
        **data,
        "pred": data["found"],
        "uncertainty": data["found_uncertainty"],
        "class_probabilities": data["found_probabilities"],
    }


def evaluate(folder, cases, class_names=CLASSES, **options):
    table = LesionEvaluation(str(folder), class_names, title="Breasts", **options)
    evaluator = SupervisedEvaluator(
        device="cpu",
        val_data_loader=DataLoader(Dataset(cases), batch_size=2 if all("class" in case for case in cases) else 1),
        network=torch.nn.Identity(),
        postprocessing=postprocess,
        val_handlers=[table],
    )
    evaluator.run()
    return evaluator.state.metrics


@pytest.fixture
def no_drawing(monkeypatch):
    draw_nothing(monkeypatch)


def draw_nothing(monkeypatch):
    """Pictures are empty files, which are there sooner."""
    for name in ("draw_points", "draw_confusion", "draw_roc", "draw_reliability"):
        monkeypatch.setattr(lesion_evaluation, name, lambda path, **others: path.write_text(""))


def rows_in(folder):
    """{case: {column: cell}} of what is not empty."""
    head, *rows = ((folder / "evaluation.csv").read_text()).splitlines()
    rows = [dict(zip(head.split(","), row.split(","), strict=True)) for row in rows]
    return {row.pop("case"): {name: cell for name, cell in row.items() if cell} for row in rows}


def test_five_images_by_hand(tmp_path, caplog, monkeypatch):
    """Pooled: 80 pixels in common of 140 true and 120 found. AUC: 5/6, 1, 5/6, with ties as a half.

    Calibration: every class in a bin of its own, gaps 0.25, 0.65, 0.15, 0.05, 0.45; the pixels in two, 500 of 600
    right at 0.95 and 390 of 400 at 0.75.
    """
    with caplog.at_level(logging.INFO, logger="LesionEvaluation"):
        metrics = evaluate(tmp_path, items(), notes=["Phantoms."])
    assert (tmp_path / "evaluation.csv").read_text() == EXPECTED
    assert {path.name for path in tmp_path.iterdir()} == FILES
    assert metrics == {
        "dice": pytest.approx((8 / 9 + 2 / 3) / 3),
        "iou": pytest.approx(1.3 / 3),
        "sensitivity": pytest.approx(0.6),
        "precision": pytest.approx(0.5),
        "false_positive_normals": 0.5,
        "accuracy": pytest.approx(0.8),
        "macro_f1": pytest.approx((0.8 + 1 + 2 / 3) / 3),
        "auc": pytest.approx(8 / 9),
        "ece": pytest.approx(0.31, abs=1e-6),
    }
    markdown = (tmp_path / "evaluation.md").read_text().splitlines()
    for line in [
        "# Breasts",
        "5 cases: normal 2, benign 1, malignant 2.",
        "| mean benign | 1 | 0.8889 | 0.8000 | 0.8000 | 1.0000 |",
        "| mean malignant | 2 | 0.3333 ± 0.4714 | 0.2500 ± 0.3536 | 0.5000 ± 0.7071 | 0.2500 ± 0.3536 |",
        "| mean malignant, 95 % interval |  | 0.0000 to 0.6667 | 0.0000 to 0.5000 | 0.0000 to 1.0000 | "
        "0.0000 to 0.5000 |",
        "| mean | 3 | 0.5185 ± 0.4626 | 0.4333 ± 0.4041 | 0.6000 ± 0.5292 | 0.5000 ± 0.5000 |",
        "| pooled | 3 | 0.6154 | 0.4444 | 0.5714 | 0.6667 |",
        "Images without a lesion: 2; a lesion is segmented in 1 of them.",
        "Expected calibration error over all pixels, 10 bins: 0.1600.",
        "Contradictions of mask and class: class normal, but a lesion is segmented: 1.",
        "| all images of known class | 0.8000 | 0.8222 | 0.8889 | 0.8889 | 0.3100 |",
        "| normal | 2 | 0 | 0 | 2 | 0.6667 | 1.0000 | 0.8000 | 0.8333 |",
        "| malignant | 1 | 0 | 1 | 2 | 1.0000 | 0.5000 | 0.6667 | 0.8333 |",
        "Phantoms.",
        "| normal (1) | normal |  |  |  |  | 0.0000 | 1.0000 | 0.9500 | 0.0300 | 0.0200 |",
    ]:
        assert line in markdown
    assert "| pooled | 3 | 0.6154 |" in caplog.text
    tables = [tmp_path / "evaluation.csv", tmp_path / "evaluation.md"]
    first = [table.read_bytes() for table in tables]
    draw_nothing(monkeypatch)
    evaluate(tmp_path, items(), notes=["Phantoms."])
    assert [table.read_bytes() for table in tables] == first


def test_all_lesions_missed(tmp_path, no_drawing):
    cases = [{**case, "found": 0 * case["found"]} for case in items()[:3]]
    metrics = evaluate(tmp_path, cases)
    scores = ("dice", "iou", "sensitivity", "precision")
    assert [metrics[name] for name in scores] == [0, 0, 0, 0]
    for name in ("benign (1)", "malignant (2)", "mean", "pooled"):
        assert [rows_in(tmp_path)[name][score] for score in scores] == ["0.0000"] * 4
    assert "false_positive_normals" not in metrics
    text = (tmp_path / "evaluation.md").read_text()
    assert "Images without a lesion: 0; a lesion is segmented in 0 of them." in text
    assert "class benign, but nothing is segmented: 1; class malignant, but nothing is segmented: 1." in text


def test_data_set_without_normals_and_without_their_class(tmp_path, no_drawing):
    """One class against the other: both have the same area."""
    cases = items()[:3]
    for case in cases:
        case["class"] -= 1
        case["found_probabilities"] = case["found_probabilities"][1:] / case["found_probabilities"][1:].sum()
    metrics = evaluate(tmp_path, cases, class_names=CLASSES[1:])
    assert metrics["auc"] == 1
    assert metrics["accuracy"] == pytest.approx(2 / 3)
    assert "| benign | 1 | 0 | 1 | 0.5000 | 1.0000 | 0.6667 | 1.0000 |" in (tmp_path / "evaluation.md").read_text()


def test_class_that_does_not_occur(tmp_path, no_drawing):
    """Without benign images: one that is called benign counts against the class, none at all leaves it out."""
    metrics = evaluate(tmp_path, [items()[place] for place in (2, 3, 4)])
    assert (metrics["macro_f1"], metrics["auc"]) == (1, 1)
    called = {**items()[4], "found_probabilities": torch.tensor([0.3, 0.6, 0.1])}
    metrics = evaluate(tmp_path, [*[items()[place] for place in (2, 3)], called])
    assert metrics["macro_f1"] == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert rows_in(tmp_path)["pooled"]["macro_precision"] == "0.6667"
    assert "| benign | 0 | 0 | 0 | 0 | 0.0000 | 0.0000 | 0.0000 |  |" in (tmp_path / "evaluation.md").read_text()


@pytest.mark.parametrize("place", [0, 3])
def test_one_case_only(tmp_path, no_drawing, place):
    metrics = evaluate(tmp_path, [items()[place]])
    rows = rows_in(tmp_path)
    assert rows["standard deviation"] == {}
    assert ("dice" in metrics) == ("dice" in rows["mean"]) == (place == 0)
    assert ("false_positive_normals" in metrics) == (place == 3)
    assert metrics["accuracy"] == 1
    assert "auc" not in metrics
    assert {path.name for path in tmp_path.iterdir()} == FILES - {"roc.png"}
    assert "1 case: " in (tmp_path / "evaluation.md").read_text()


def test_pictures_of_one_case(tmp_path):
    evaluate(tmp_path, [items()[3]])
    pictures = FILES - {"evaluation.csv", "evaluation.md", "roc.png"}
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in pictures)


@pytest.mark.parametrize("places", [[0, 1], [3]])
def test_unknown_classes(tmp_path, places, no_drawing):
    """The masks are scored all the same, and pictures of an earlier evaluation do not stay."""
    evaluate(tmp_path, items())
    cases = [items()[place] for place in places]
    for case in cases:
        del case["class"]
    metrics = evaluate(tmp_path, cases)
    assert not metrics.keys() & {"accuracy", "macro_f1", "auc", "ece"}
    gone = {"confusion.png", "roc.png"} | ({"evaluation.png"} if places == [3] else set())
    assert {path.name for path in tmp_path.iterdir()} == FILES - gone
    row = rows_in(tmp_path)[cases[0]["case"]]
    assert not row.keys() & {"true_class", "class_correct"}
    assert "probability_benign" in row
    text = (tmp_path / "evaluation.md").read_text()
    assert f"malignant 0, class unknown {len(places)}." in text
    assert "## Class" not in text


def test_some_classes_unknown(tmp_path, no_drawing):
    cases = items()
    del cases[1]["class"]
    metrics = evaluate(tmp_path, cases)
    assert metrics["accuracy"] == 1
    assert metrics["dice"] == pytest.approx((8 / 9 + 2 / 3) / 3)
    text = (tmp_path / "evaluation.md").read_text()
    assert "| mean class unknown | 1 | 0.0000 |" in text
    assert "| mean malignant | 1 | 0.6667 |" in text


def test_images_of_all_processes_count_and_repeated_ones_once(tmp_path, monkeypatch, no_drawing):
    """The other process scored the last image and, as there were not enough, the first one again."""
    scored = [json.dumps(score_mask(case, postprocess(case), 3)) for case in items()]
    monkeypatch.setattr(evaluation_writer, "string_list_all_gather", lambda texts: [*texts, scored[4], scored[0]])
    evaluate(tmp_path, items()[:4])
    assert (tmp_path / "evaluation.csv").read_text() == EXPECTED


def test_only_the_first_process_writes(tmp_path):
    table = LesionEvaluation(str(tmp_path / "none"), CLASSES, "Breasts")
    engine = Engine(lambda engine, batch: None)
    engine.state.rank = 1
    table.cases = [{"case": "an earlier run's"}]
    table.start(engine)
    assert table.cases == []
    table.cases = [score_mask(items()[0], postprocess(items()[0]), 3)]
    table.write(engine)
    assert not (tmp_path / "none").exists()
    assert engine.state.metrics["dice"] == pytest.approx(8 / 9)


def test_mask_calibration_of_many_images_is_that_of_their_pixels():
    found = [torch.rand(1, 30, 40) / 2 for _ in range(3)]
    right = [torch.rand(1, 30, 40) < 0.8 for _ in range(3)]
    bins = sum(calibration_bins(1 - unsure, of, 10) for unsure, of in zip(found, right, strict=True))
    expected = expected_calibration_error(1 - torch.cat(found), torch.cat(right), 10)
    torch.testing.assert_close(error_of_bins(bins), expected)


def test_lesion_scores_are_symmetric_as_they_should_be():
    """Exchanging truth and prediction exchanges sensitivity and precision and leaves Dice and IoU."""
    image = DataFrame([score_mask(items()[2], postprocess(items()[2]), 3)])
    exchanged = image.rename(columns={"true_pixels": "found_pixels", "found_pixels": "true_pixels"})
    dice, iou, sensitivity, precision = lesion_scores(image).iloc[0]
    assert lesion_scores(exchanged).iloc[0].tolist() == [dice, iou, precision, sensitivity]
    assert dice == pytest.approx(2 * iou / (1 + iou))


def test_says_what_does_not_fit(tmp_path):
    case = items()[0]
    with pytest.raises(ValueError, match="class_names must name 3 classes, as there are; it names 2"):
        score_mask(case, postprocess(case), 2)
    with pytest.raises(ValueError, match=r"label \(1, 5, 20\) and pred \(1, 10, 20\) must agree"):
        score_mask({**case, "label": case["label"][:, :5]}, postprocess(case), 3)
    del case["label"]
    with pytest.raises(InputError, match=r"case benign \(1\) has no mask; evaluate images whose lesions are outlined"):
        score_mask(case, postprocess(case), 3)
    (tmp_path / "file").write_text("in the way")
    engine = Engine(lambda engine, batch: None)
    engine.state.rank = 0
    with pytest.raises(InputError, match="choose another output folder"):
        LesionEvaluation(str(tmp_path / "file"), CLASSES, "Breasts").start(engine)
