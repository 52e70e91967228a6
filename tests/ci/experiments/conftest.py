import pytest
from evaluation_tables import breast_evaluation, evaluation, gland_evaluation


@pytest.fixture
def runs(tmp_path):
    """Two runs of a method, one of another; Dice of WT: 0.90 and 0.86 against 0.85."""
    first = {"a": [0.95, 0.8, 0.6, 0.7, 4.0, 1.0, 0.02], "b": [0.85, 0.7, 0.5, "", 6.0, 1.0, 0.04]}
    second = {"b": [0.82, 0.7, 0.5, 0.7, 6.0, 1.0, 0.04], "a": [0.90, 0.8, 0.6, 0.7, 4.0, 1.0, 0.02]}
    base = {"a": [0.80, 0.6, 0.4, 0.4, 9.0, 1.0, 0.03], "b": [0.90, 0.6, 0.4, 0.4, 9.0, 1.0, 0.03]}
    names = ("ours0/evaluation.csv", "ours1/evaluation.csv", "base/evaluation.csv")
    return [evaluation(tmp_path / name, rows) for name, rows in zip(names, (first, second, base))]


@pytest.fixture
def gland_runs(tmp_path):
    """Two runs of a method, one of another."""
    runs = {
        "learned0": [[0.85, 0.84, 40.5, 0.8, 0.9], [0.5, 0.4, 70, 0.3, 0.2]],
        "learned1": [[0.87, 0.80, 42.5, 0.8, 1.0], [0.7, 0.4, 80, 0.3, 0.2]],
        "equal": [[0.80, 0.81, 41.0, 0.7, 0.8], [0.4, 0.4, 60, 0.3, 0.2]],
    }
    return [
        gland_evaluation(tmp_path / name / "evaluation.csv", pooled, {"pooled testA": part_a})
        for name, (pooled, part_a) in runs.items()
    ]


@pytest.fixture
def breast_runs(tmp_path):
    """Two runs of a method, one of another."""
    return [
        breast_evaluation(tmp_path / name / "evaluation.csv", *scores)
        for name, scores in {
            "full0": ([0.8, 0.7, 0.75, 0.85], [0.6, 0.5, 0.55, 0.65], [0.82, 0.84, 0.95]),
            "full1": ([0.84, 0.74, 0.77, 0.89], [0.6, 0.5, 0.55, 0.65], [0.88, 0.86, 0.97]),
            "base": ([0.81, 0.6, 0.7, 0.8], [0.4, 0.3, 0.2, 0.1], [0.5, 0.6, 0.7]),
        }.items()
    ]
