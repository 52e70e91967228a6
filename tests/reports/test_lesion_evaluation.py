"""Masks and classes of an evaluation are scored, and tables and figures show the scores."""

import json
import logging

import pytest
import torch
from ignite.engine import Engine
from lesion_cases import CLASSES, EXPECTED, FILES, evaluate, items, postprocess, rows_in
from pandas import DataFrame

from shared.errors import InputError
from shared.metrics import calibration_bins, error_of_bins, expected_calibration_error
from shared.reports import LesionEvaluation, evaluation_writer
from shared.reports.lesion_scores import lesion_scores, score_mask


def test_five_images_by_hand(tmp_path, caplog):
    """Pooled: 80 pixels in common of 140 true and 120 found. AUC: 5/6, 1, 5/6, with ties as a half.

    Calibration: every class in a bin of its own, gaps 0.25, 0.65, 0.15, 0.05, 0.45; the pixels in two, 500 of 600
    right at 0.95 and 390 of 400 at 0.75.
    """
    with caplog.at_level(logging.INFO, logger="LesionEvaluation"):
        metrics = evaluate(tmp_path, items(), draws=True, notes=["Phantoms."])
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
    evaluate(tmp_path, items(), notes=["Phantoms."])
    assert [table.read_bytes() for table in tables] == first


def test_lesions_that_are_all_missed_score_zero(tmp_path):
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


def test_pictures_are_drawn_of_one_case(tmp_path):
    evaluate(tmp_path, [items()[3]], draws=True)
    pictures = FILES - {"evaluation.csv", "evaluation.md", "roc.png"}
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in pictures)


def test_images_of_all_processes_count_and_repeated_ones_once(tmp_path, monkeypatch):
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


def test_exchanging_truth_and_prediction_exchanges_sensitivity_and_precision():
    """Dice and IoU stay."""
    image = DataFrame([score_mask(items()[2], postprocess(items()[2]), 3)])
    exchanged = image.rename(columns={"true_pixels": "found_pixels", "found_pixels": "true_pixels"})
    dice, iou, sensitivity, precision = lesion_scores(image).iloc[0]
    assert lesion_scores(exchanged).iloc[0].tolist() == [dice, iou, precision, sensitivity]
    assert dice == pytest.approx(2 * iou / (1 + iou))


def test_what_cannot_be_scored_is_named(tmp_path):
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
