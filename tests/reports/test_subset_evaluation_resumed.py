"""Scores of an earlier evaluation count if they were made with the same weights and settings."""

import hashlib
import json
import logging

import pytest
from subset_cases import EXPECTED, HAUSDORFF, Threshold, evaluate, evaluator_of, handler, items


def test_a_stopped_evaluation_goes_on_and_ends_with_the_same_tables(tmp_path):
    class Stop(Exception):
        pass

    def stop_at_the_second(item):
        if item["case"] == "second":
            raise Stop
        return item

    first_time = handler(tmp_path / "stopped")
    with pytest.raises(RuntimeError, match="applying transform"):
        evaluator_of(first_time, Threshold(), stop_at_the_second).run()
    _, calls = evaluate(tmp_path / "stopped")
    assert calls == 1, "only the second case, with its one subset"
    evaluate(tmp_path / "unbroken")
    for name in ("subsets.csv", "subsets.md"):
        assert (tmp_path / "stopped/out" / name).read_bytes() == (tmp_path / "unbroken/out" / name).read_bytes()


def test_tables_are_written_where_nothing_is_left_to_score(tmp_path, caplog):
    evaluate(tmp_path)
    for path in (tmp_path / "out").glob("subsets.*"):
        path.unlink()
    with caplog.at_level(logging.INFO, logger="SubsetEvaluation"):
        evaluator, calls = evaluate(tmp_path)
    assert calls == 0
    assert (
        "2 of 2 cases scored before, by these weights with these settings; to score them anew, remove " in caplog.text
    )
    assert (tmp_path / "out" / "subsets.csv").read_text() == EXPECTED
    assert evaluator.state.metrics["dice_lesion"] == pytest.approx(1.9 / 3)


@pytest.mark.parametrize("change", ["weights", "modalities", "region_names"])
def test_scores_of_other_weights_modalities_or_regions_do_not_count(tmp_path, change):
    evaluate(tmp_path)
    options = {"modalities": {"modalities": ["adc", "t2"]}, "region_names": {"region_names": ["PZ", "all"]}}
    if change == "weights":
        (tmp_path / "model.pt").write_bytes(b"trained further")
    assert len(handler(tmp_path, **options.get(change, {})).cases_left()) == 2


def test_scores_without_what_is_requested_do_not_count(tmp_path):
    evaluate(tmp_path)
    assert len(handler(tmp_path, **HAUSDORFF).cases_left()) == 2
    evaluate(tmp_path, **HAUSDORFF)
    assert handler(tmp_path).cases_left() == handler(tmp_path, **HAUSDORFF).cases_left() == []


def test_cases_of_another_part_stay_out(tmp_path):
    evaluate(tmp_path)
    _, calls = evaluate(tmp_path, cases=items()[:1])
    assert calls == 0
    assert (tmp_path / "out" / "subsets.csv").read_text() == EXPECTED[: EXPECTED.index("second")]


def test_a_record_names_what_it_was_made_with(tmp_path):
    evaluate(tmp_path, settings={"window": (5, 5)})
    assert handler(tmp_path, settings={"window": [5, 5]}).cases_left() == []
    assert len(handler(tmp_path, settings={"window": [5, 6]}).cases_left()) == 2
    record = json.loads((tmp_path / "out" / "subsets" / "second.json").read_text())
    assert record == {
        **{"case": "second", "modalities": ["t2", "adc"], "regions": ["lesion", "all"]},
        **{"weights_sha256": hashlib.sha256(b"weights").hexdigest(), "settings": {"window": [5, 5]}},
        "dice": {"t2": [1.0, 0.0], "adc": None, "t2+adc": None},
    }
