"""Merging subsets.csv of several methods and runs."""

import csv

import numpy as np
import pytest
from evaluation_tables import cells

from ci.experiments import subset_tables
from ci.experiments.tables import main
from shared.errors import InputError

HEAD = "case,subset,missing,dice_PZ,dice_PZ_pp"
SUBSETS = {"t2": 1, "adc": 1, "t2+adc": 0}


def subsets_file(path, cases, regions=2):
    """A table of an evaluation: {case: Dice of PZ for T2, ADC, both}; the other region has half of it."""
    lines = [",".join(HEAD.split(",")[: 3 + regions])]
    for case, scores in cases.items():
        for (subset, missing), score in zip(SUBSETS.items(), scores, strict=True):
            of_regions = ["", ""] if score is None else [score, score / 2]
            lines.append(",".join(map(str, [case, subset, missing, *of_regions[:regions]])))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, ""]))
    return str(path)


@pytest.fixture
def runs(tmp_path):
    """Two runs of a method, one of another; case b has no ADC."""
    first = {"a": [0.6, 0.4, 0.8], "b": [0.8, None, None]}  # means 70, 40, 80
    second = {"b": [0.82, None, None], "a": [0.62, 0.42, 0.88]}  # means 72, 42, 88
    base = {"a": [0.7, 0.3, 0.81], "b": [0.7, None, None]}  # means 70, 30, 81
    names = ("ours0/subsets.csv", "ours1/subsets.csv", "base/subsets.csv")
    return [subsets_file(tmp_path / name, cases) for name, cases in zip(names, (first, second, base), strict=True)]


def test_two_methods_by_hand(runs, tmp_path, capsys):
    main(f"ours={runs[0]},{runs[1]}", f"base={runs[2]}", out=str(tmp_path / "table"))
    rows = cells(capsys.readouterr().out)
    assert rows[0] == ["missing modalities", "1", "1", "0", "mean"]
    assert rows[2:4] == [["t2", "●", "○", "●", ""], ["adc", "○", "●", "●", ""]]
    assert rows[4:7] == [
        ["PZ, ours", "71.00", "41.00", "84.00", "65.33"],
        ["PZ, ours: range", "2.00", "2.00", "8.00", "4.00"],
        ["PZ, base", "70.00 ≈", "30.00", "81.00 ≈", "60.33"],
    ]
    assert rows[9] == ["PZ_pp, base", "35.00 ≈", "15.00", "40.50 ≈", "30.17"]
    assert rows[11][0].startswith("Cases: 2. Dice x 100, mean over cases and runs, per subset")
    assert "≈: the 95 % interval of the difference to ours holds 0." in rows[11][0]
    assert rows[13] == ["", "all subsets", "full", "1 missing"]
    deviations = [np.std([71, 41, 84], ddof=1), np.std([71, 41], ddof=1)]
    assert rows[15] == ["PZ, ours", f"65.33 ± {deviations[0]:.2f}", "84.00", f"56.00 ± {deviations[1]:.2f}"]
    assert rows[16] == ["PZ, ours: range", "4.00", "8.00", "2.00"]
    assert rows[17][2] == "81.00 ≈"
    assert rows[22][0].startswith("Mean ± sample standard deviation (n - 1) of the subsets' means over cases")
    numbers = {(row["method"], row["score"]): row for row in csv.DictReader((tmp_path / "table.csv").open())}
    assert rows[24][0] == "Difference to ours, case by case:"
    assert rows[28][:2] == ["base: PZ, all subsets", "2"]
    assert (
        numbers["ours", "PZ t2"].items()
        >= {
            **{"method": "ours", "runs": "2", "score": "PZ t2", "mean": "71.000000"},
            **{"smallest": "70.000000", "largest": "72.000000", "within_spread_of_first": "0"},
        }.items()
    )
    assert numbers["base", "PZ, 1 missing"]["mean"] == "50.000000"
    assert numbers["base", "PZ t2+adc"]["within_spread_of_first"] == "1"


def test_a_difference_that_all_cases_share_is_not_marked_although_runs_differ_by_more(runs, tmp_path, capsys):
    """With T2 alone the other method is one point better in both cases; runs of the first differ by two."""
    better = subsets_file(tmp_path / "better/subsets.csv", {"a": [0.62, 0.41, 0.84], "b": [0.82, None, None]})
    main(f"ours={runs[0]},{runs[1]}", f"better={better}", out=str(tmp_path / "table"))
    (row, *_) = (row for row in cells(capsys.readouterr().out) if row[0] == "PZ, better")
    assert row[1:3] == ["72.00", "41.00 ≈"]


def test_picture_shows_the_scores_and_the_differences_of_all_but_the_first(runs, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(subset_tables, "draw_heat_maps", lambda path, *rest: drawn.append(rest) or path.touch())
    main(f"ours={runs[0]},{runs[1]}", f"base={runs[2]}", out=str(tmp_path / "table"))
    main(f"ours={runs[0]}", out=str(tmp_path / "alone"))
    (_, modalities, (scores, gains)), (_, _, alone) = drawn
    assert modalities == ["t2", "adc"]
    assert list(scores.rows.index) == ["PZ, ours", "PZ, base", "PZ_pp, ours", "PZ_pp, base"]
    np.testing.assert_allclose(scores.rows.loc["PZ, ours"], [71, 41, 84])
    np.testing.assert_allclose(gains.rows.loc["PZ, base"], [-1, -11, -3])
    assert gains.limits == pytest.approx((-11, 11))
    assert len(alone) == 1


def test_picture_is_drawn(runs, tmp_path):
    main(f"ours={runs[0]}", f"base={runs[2]}", out=str(tmp_path / "table"))
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")


def test_folds_make_one_run(tmp_path, capsys):
    scores = {"a": [0.6, 0.4, 0.8], "b": [0.1, 0.2, 0.3], "c": [0.5, 0.9, 0.7]}
    whole = subsets_file(tmp_path / "whole.csv", scores)
    folds = [subsets_file(tmp_path / f"{part}.csv", {case: scores[case] for case in part}) for part in ("ac", "b")]
    main(f"whole={whole}", f"folds={folds[0]}+{folds[1]}", out=str(tmp_path / "table"))
    rows = cells(capsys.readouterr().out)
    assert rows[4][1:] == [cell.removesuffix(" ≈") for cell in rows[5][1:]] == ["40.00", "50.00", "60.00", "50.00"]
    assert "One run per method: how much runs differ by chance is unknown" in rows[9][0]


def test_a_subset_that_no_case_has_is_left_out_of_the_means(tmp_path, capsys):
    path = subsets_file(tmp_path / "subsets.csv", {"a": [0.6, None, None]}, regions=1)
    main(f"ours={path}", out=str(tmp_path / "table"))
    rows = cells(capsys.readouterr().out)
    assert rows[4] == ["PZ, ours", "60.00", "nan", "nan", "60.00"]
    assert rows[10] == ["PZ, ours", "60.00", "nan", "60.00"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ours={0}", "other={other}"], r"other columns than .* \(dice_PZ_pp of adc\)"),
        (["ours={cut}"], "subsets t2, t2[+]adc: not all of t2, adc; evaluate again"),
        (["ours={0}+{1}"], "case a is in another fold too"),
    ],
)
def test_rejects_what_cannot_be_compared(runs, tmp_path, arguments, message):
    paths = {
        "other": subsets_file(tmp_path / "other.csv", {"a": [0.6, 0.4, 0.8], "b": [0.8, 0, 0]}, regions=1),
        "cut": str(tmp_path / "cut.csv"),
    }
    (tmp_path / "cut.csv").write_text(f"{HEAD}\na,t2,1,0.5,0.5\na,t2+adc,0,0.5,0.5\n")
    with pytest.raises(InputError, match=message):
        main(*[argument.format(*runs, **paths) for argument in arguments], out=str(tmp_path / "table"))


def test_scores_other_than_dice_are_left_out(runs, tmp_path, capsys):
    main(f"ours={runs[0]}", out=str(tmp_path / "plain"))
    with open(runs[0]) as file:
        head, *lines = file.read().splitlines()
    with open(runs[0], "w") as file:
        rows = [f"{head},hausdorff_95_mm_PZ,lesion_dice_PZ", *(f"{line},3.5,0.5" for line in lines)]
        file.write("\n".join([*rows, ""]))
    main(f"ours={runs[0]}", out=str(tmp_path / "more"))
    plain, more = ((tmp_path / f"{name}.md").read_text() for name in ("plain", "more"))
    assert plain == more
