"""Tables of several evaluations are merged into one: methods, runs, folds."""

import csv
from pathlib import Path

import pytest
from evaluation_tables import HEAD, cells, evaluation

from ci.__main__ import main as command_line
from ci.experiments.tables import main
from shared.errors import InputError


def test_two_methods_by_hand(runs, tmp_path, capsys):
    main(f"ours={runs[0]},{runs[1]}", f"base line={runs[2]}", out=str(tmp_path / "table"))
    rows = cells(capsys.readouterr().out)
    assert rows[0] == [
        *["method", "runs", "mean of WT/TC/ET", "WT", "TC", "ET", "ET_pp500", "HD95 WT (mm)", "ECE"],
    ]
    assert rows[2] == [
        *["ours", "2", "72.67 (72.00 to 73.33)", "88.00 (86.00 to 90.00)", "75.00 (75.00 to 75.00)"],
        *["55.00 (55.00 to 55.00)", "70.00 (70.00 to 70.00)", "5.00 (5.00 to 5.00)", "0.0300 (0.0300 to 0.0300)"],
    ]
    assert rows[3] == ["base line", "1", "61.67", "85.00 ≈", "60.00", "40.00", "40.00", "9.00", "0.0300 ≈"]
    assert rows[5][0].startswith(
        "Cases: 2. Dice x 100, mean over cases and runs (smallest to largest run). ≈: the 95 % interval of the"
    )
    assert rows[7] == ["Difference to ours, case by case:"]
    assert rows[12] == ["base line: WT", "2", "-3.00", "-12.50 to +6.50", "1"]  # a: 80 - 92.5, b: 90 - 83.5
    assert (tmp_path / "table.md").read_text().splitlines()[0].startswith("| method | runs |")
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")
    numbers = list(csv.DictReader((tmp_path / "table.csv").open()))
    assert (
        numbers[1].items()
        >= {
            **{"method": "ours", "runs": "2", "score": "WT", "mean": "88.000000"},
            **{"smallest": "86.000000", "largest": "90.000000", "within_spread_of_first": "0", "difference": ""},
        }.items()
    )
    expected = {"cases": 2, "difference": -3, "low": -12.5, "high": 6.5, "wilcoxon_p": 1}
    assert {name: float(numbers[8][name]) for name in expected} == pytest.approx(expected)
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
    assert rows[2].replace("whole", "folds") == rows[3].replace(" ≈", "")


def test_single_runs_say_that_chance_is_unknown(runs, tmp_path, capsys):
    main(f"ours={runs[0]}", f"base={runs[2]}", out=str(tmp_path / "table"))
    text = capsys.readouterr().out
    assert "≈: differs" not in text
    assert "One run per method: how much runs differ by chance is unknown" in text


def test_where_some_methods_have_one_run_chance_is_unknown_of_those(runs, tmp_path, capsys):
    main(f"ours={runs[0]},{runs[1]}", f"base={runs[2]}", out=str(tmp_path / "table"))
    sentence = "How much the runs of a method with one run differ by chance is unknown."
    assert sentence in capsys.readouterr().out
    main(f"ours={runs[0]},{runs[1]}", f"base={runs[2]},{runs[1]}", out=str(tmp_path / "table"))
    assert sentence not in capsys.readouterr().out


def test_other_regions_and_no_distance(tmp_path, capsys):
    (tmp_path / "evaluation.csv").write_text("case,dice_PZ,dice_TZ,auc\na,0.5,0.7,1\n")
    main(f"ours={tmp_path}/evaluation.csv", out=str(tmp_path / "table"))
    assert capsys.readouterr().out.splitlines()[:3] == [
        "| method | runs | mean of PZ/TZ | PZ | TZ |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| ours | 1 | 60.00 | 50.00 | 70.00 |",
    ]
    assert (tmp_path / "table.png").exists()


def test_the_command_prints_the_table_that_it_writes(runs, tmp_path, capsys):
    command_line(["tables", "--out", str(tmp_path / "table"), f"our own={runs[0]}"])
    assert capsys.readouterr().out == (tmp_path / "table.md").read_text()


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
        (["ours={0}+{6}"], "columns.csv: other columns than .*; join folds"),
    ],
)
def test_rejects_what_cannot_be_compared(runs, tmp_path, arguments, message):
    other = evaluation(tmp_path / "other.csv", {"a": [0.5] * 7})
    (tmp_path / "no_columns.csv").write_text("case,auc\na,1\n")
    (tmp_path / "empty.csv").write_text(HEAD + "\n")
    (tmp_path / "columns.csv").write_text("case,dice_WT\nc,0.5\n")
    paths = [*runs, other, *(tmp_path / f"{name}.csv" for name in ("no_columns", "empty", "columns"))]
    with pytest.raises(InputError, match=message):
        main(*[argument.format(*paths) for argument in arguments], out=str(tmp_path / "table"))
    assert not (tmp_path / "table.md").exists()
