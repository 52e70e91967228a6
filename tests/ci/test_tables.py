import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ci.tables import main, within_spread
from shared.errors import InputError

HEAD = "case,dice_WT,dice_TC,dice_ET,dice_ET_pp500,hausdorff_95_mm_WT,hausdorff_95_mm_TC,expected_calibration_error"


def evaluation(path, rows):
    """An evaluation's table; the summary rows hold nonsense, since only cases count."""
    lines = [HEAD, *[f"{case},{','.join(map(str, row))}" for case, row in rows.items()]]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, "mean,9,9,9,9,9,9,9", "standard deviation,9,9,9,9,9,9,9", ""]))
    return str(path)


@pytest.fixture
def runs(tmp_path):
    """Two runs of a method, one of another; Dice of WT: 0.90 and 0.86 against 0.85."""
    first = {"a": [0.95, 0.8, 0.6, 0.7, 4.0, 1.0, 0.02], "b": [0.85, 0.7, 0.5, "", 6.0, 1.0, 0.04]}
    second = {"b": [0.82, 0.7, 0.5, 0.7, 6.0, 1.0, 0.04], "a": [0.90, 0.8, 0.6, 0.7, 4.0, 1.0, 0.02]}
    base = {"a": [0.80, 0.6, 0.4, 0.4, 9.0, 1.0, 0.03], "b": [0.90, 0.6, 0.4, 0.4, 9.0, 1.0, 0.03]}
    names = ("ours0/evaluation.csv", "ours1/evaluation.csv", "base/evaluation.csv")
    return [evaluation(tmp_path / name, rows) for name, rows in zip(names, (first, second, base))]


def test_two_methods_by_hand(runs, tmp_path, capsys):
    main(f"ours={runs[0]},{runs[1]}", f"base line={runs[2]}", out=str(tmp_path / "table"))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == [
        *["method", "runs", "mean of WT/TC/ET", "WT", "TC", "ET", "ET_pp500", "HD95 WT (mm)", "ECE"],
    ]
    assert rows[2] == [
        *["ours", "2", "72.67 (72.00 to 73.33)", "88.00 (86.00 to 90.00)", "75.00 (75.00 to 75.00)"],
        *["55.00 (55.00 to 55.00)", "70.00 (70.00 to 70.00)", "5.00 (5.00 to 5.00)", "0.0300 (0.0300 to 0.0300)"],
    ]
    assert rows[3] == ["base line", "1", "61.67", "85.00 ≈", "60.00", "40.00", "40.00", "9.00", "0.0300"]
    assert rows[5][0].startswith(
        "Cases: 2. Dice x 100, mean over cases and runs (smallest to largest run). ≈: differs from"
    )
    assert (tmp_path / "table.md").read_text().splitlines()[0].startswith("| method | runs |")
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")
    numbers = list(csv.DictReader((tmp_path / "table.csv").open()))
    assert numbers[1] == {
        **{"method": "ours", "runs": "2", "score": "WT", "mean": "88.000000"},
        **{"smallest": "86.000000", "largest": "90.000000", "within_spread_of_first": "0"},
    }
    assert numbers[8]["within_spread_of_first"] == "1"


def test_wildcard_is_the_same_as_a_list(runs, tmp_path):
    folder = Path(runs[0]).parents[1]
    main(f"ours={runs[0]},{runs[1]}", f"base={runs[2]}", out=str(tmp_path / "list"))
    main(f"ours={folder}/ours*/evaluation.csv", f"base={runs[2]}", out=str(tmp_path / "wildcard"))
    assert (tmp_path / "list.csv").read_bytes() == (tmp_path / "wildcard.csv").read_bytes()


def test_folds_make_one_run(runs, tmp_path):
    """The folds' tables joined are the run's table, although the folds differ in size."""
    rows = {"a": [0.9] * 7, "b": [0.6] * 7, "c": [0.3] * 7}
    whole = evaluation(tmp_path / "whole.csv", rows)
    folds = [evaluation(tmp_path / f"{cases}.csv", {case: rows[case] for case in cases}) for cases in ("ac", "b")]
    main(f"whole={whole}", f"folds={folds[0]}+{folds[1]}", out=str(tmp_path / "table"))
    rows = (tmp_path / "table.md").read_text().splitlines()
    assert rows[2].replace("whole", "folds") == rows[3]


def test_single_runs_say_that_chance_is_unknown(runs, tmp_path, capsys):
    main(f"ours={runs[0]}", f"base={runs[2]}", out=str(tmp_path / "table"))
    text = capsys.readouterr().out
    assert "≈" not in text
    assert "One run per method: how much runs differ by chance is unknown" in text


@pytest.mark.parametrize(
    ("values", "reference", "within"),
    [([5.0], [5.0], False), ([5.0, 7.0], [7.5], True), ([5.0, 7.0], [8.5], False), ([4.5], [2.0, 5.0], True)],
)
def test_mark_compares_the_difference_with_the_larger_range(values, reference, within):
    assert within_spread(np.array(values), np.array(reference)) == within


def test_other_regions_and_no_distance(tmp_path, capsys):
    (tmp_path / "evaluation.csv").write_text("case,dice_PZ,dice_TZ,auc\na,0.5,0.7,1\n")
    main(f"ours={tmp_path}/evaluation.csv", out=str(tmp_path / "table"))
    assert capsys.readouterr().out.splitlines()[:3] == [
        "| method | runs | mean of PZ/TZ | PZ | TZ |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| ours | 1 | 60.00 | 50.00 | 70.00 |",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to merge"),
        (["{0}"], "write method=evaluation.csv"),
        (["ours={0}", "ours={1}"], "every method once"),
        (["ours=nowhere.csv"], "nowhere.csv: is not a table of an evaluation"),
        (["ours={0},{3}"], r"other.csv: other cases than .* \(b\); evaluate on one test set"),
        (["ours={4}"], "columns auc: none is a Dice"),
        (["ours={0}+{1}"], "case a is in another fold too; join folds"),
        (["ours={5}"], "empty.csv: has no case"),
    ],
)
def test_rejects_what_cannot_be_compared(runs, tmp_path, arguments, message):
    other = evaluation(tmp_path / "other.csv", {"a": [0.5] * 7})
    (tmp_path / "no_columns.csv").write_text("case,auc\na,1\n")
    (tmp_path / "empty.csv").write_text(HEAD + "\n")
    paths = [*runs, other, tmp_path / "no_columns.csv", tmp_path / "empty.csv"]
    with pytest.raises(InputError, match=message):
        main(*[argument.format(*paths) for argument in arguments], out=str(tmp_path / "table"))
    assert not (tmp_path / "table.md").exists()


def test_command_line(runs, tmp_path):
    command = [sys.executable, str(Path(__file__).parents[2] / "ci/tables.py"), "--out", "table"]
    done = subprocess.run([*command, f"our own={runs[0]}"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout == (tmp_path / "table.md").read_text()
    failed = subprocess.run([*command, "ours=nowhere.csv"], cwd=tmp_path, capture_output=True, text=True)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.splitlines()[-1].startswith("Error: nowhere.csv: is not a table")
    assert "Traceback" not in failed.stderr
