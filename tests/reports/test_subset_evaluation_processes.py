"""Several processes share the cases, and one of them writes the tables."""

import pytest
from subset_cases import EXPECTED, Threshold, evaluate, evaluator_of, handler, written

from shared.errors import InputError
from shared.reports import subset_evaluation


def test_processes_score_their_shares_and_the_tables_hold_all(tmp_path, monkeypatch):
    for rank in (0, 1):
        monkeypatch.setattr(subset_evaluation, "process_share", lambda cases, repeat, rank=rank: [cases[rank]])
        scores = handler(tmp_path)
        if rank == 1:
            with pytest.raises(InputError, match="1 of 2 cases not scored"):
                written(scores)
        evaluator_of(scores, Threshold()).run()
    written(scores)
    assert (tmp_path / "out" / "subsets.csv").read_text() == EXPECTED


def test_of_several_processes_the_first_writes_after_all_are_done(tmp_path, monkeypatch):
    evaluate(tmp_path)
    (tmp_path / "out" / "subsets.csv").unlink()
    waited = []
    monkeypatch.setattr(subset_evaluation.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(subset_evaluation.dist, "barrier", lambda: waited.append(True))
    for rank in (1, 0):
        monkeypatch.setattr(subset_evaluation.dist, "get_rank", lambda rank=rank: rank)
        written(handler(tmp_path))
        assert (tmp_path / "out" / "subsets.csv").exists() == (rank == 0)
    assert waited == [True, True]
