"""Evaluations without normals, without a class, of one case, or of images whose class is unknown."""

import pytest
import torch
from lesion_cases import CLASSES, FILES, evaluate, items, rows_in


def test_a_data_set_may_lack_normals_and_their_class(tmp_path):
    """One class against the other: both have the same area."""
    cases = items()[:3]
    for case in cases:
        case["class"] -= 1
        case["found_probabilities"] = case["found_probabilities"][1:] / case["found_probabilities"][1:].sum()
    metrics = evaluate(tmp_path, cases, class_names=CLASSES[1:])
    assert metrics["auc"] == 1
    assert metrics["accuracy"] == pytest.approx(2 / 3)
    assert "| benign | 1 | 0 | 1 | 0.5000 | 1.0000 | 0.6667 | 1.0000 |" in (tmp_path / "evaluation.md").read_text()


def test_a_class_that_does_not_occur_counts_only_if_it_is_found(tmp_path):
    """Without benign images: one that is called benign counts against the class, none at all leaves it out."""
    metrics = evaluate(tmp_path, [items()[place] for place in (2, 3, 4)])
    assert (metrics["macro_f1"], metrics["auc"]) == (1, 1)
    called = {**items()[4], "found_probabilities": torch.tensor([0.3, 0.6, 0.1])}
    metrics = evaluate(tmp_path, [*[items()[place] for place in (2, 3)], called])
    assert metrics["macro_f1"] == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert rows_in(tmp_path)["pooled"]["macro_precision"] == "0.6667"
    assert "| benign | 0 | 0 | 0 | 0 | 0.0000 | 0.0000 | 0.0000 |  |" in (tmp_path / "evaluation.md").read_text()


@pytest.mark.parametrize("place", [0, 3])
def test_one_case_has_no_standard_deviation_and_no_auc(tmp_path, place):
    metrics = evaluate(tmp_path, [items()[place]])
    rows = rows_in(tmp_path)
    assert rows["standard deviation"] == {}
    assert ("dice" in metrics) == ("dice" in rows["mean"]) == (place == 0)
    assert ("false_positive_normals" in metrics) == (place == 3)
    assert metrics["accuracy"] == 1
    assert "auc" not in metrics
    assert {path.name for path in tmp_path.iterdir()} == FILES - {"roc.png"}
    assert "1 case: " in (tmp_path / "evaluation.md").read_text()


@pytest.mark.parametrize("places", [[0, 1], [3]])
def test_images_of_unknown_classes_are_scored_without_their_class(tmp_path, places):
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


def test_images_of_known_classes_are_scored_next_to_unknown_ones(tmp_path):
    cases = items()
    del cases[1]["class"]
    metrics = evaluate(tmp_path, cases)
    assert metrics["accuracy"] == 1
    assert metrics["dice"] == pytest.approx((8 / 9 + 2 / 3) / 3)
    text = (tmp_path / "evaluation.md").read_text()
    assert "| mean class unknown | 1 | 0.0000 |" in text
    assert "| mean malignant | 1 | 0.6667 |" in text
