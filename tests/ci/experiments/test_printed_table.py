"""Numbers of papers next to measured ones."""

import json
from pathlib import Path

import numpy as np
import pytest

from ci.experiments.printed_table import PrintedTable
from ci.experiments.tables import main
from shared.errors import InputError

FILES = sorted(Path("bundles").glob("*/studies/printed/*.json"))
PRINTED_WRONG = {"TC, HeMIS", "PZ, RFNet", "PZ, DC-Seg"}  # the papers' means are not those of their numbers
OF_SUBSETS = "case,subset,missing,dice_PZ\na,t2,1,0.6\na,adc,1,0.4\na,t2+adc,0,0.8\n"
OF_METHOD = "case,dice_WT,dice_TC,dice_ET\na,0.9,0.8,0.7\nmean,0.9,0.8,0.7\n"


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """A function that merges one evaluation, with printed rows, and returns the lines of the result; no figure."""
    monkeypatch.setattr("ci.experiments.tables.draw", lambda path, *_: path.touch())
    monkeypatch.setattr("ci.experiments.subset_tables.draw_heat_maps", lambda path, *_: path.touch())

    def merge(evaluation, **content):
        (tmp_path / "run.csv").write_text(evaluation)
        (tmp_path / "printed.json").write_text(json.dumps(content))
        main(f"ours={tmp_path / 'run.csv'}", out=str(tmp_path / "table"), printed=str(tmp_path / "printed.json"))
        return (tmp_path / "table.md").read_text().splitlines()

    return merge


def cells(lines, name):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith(f"| {name} ")]


def test_rows_of_subsets_by_hand(tables):
    """In any order of columns and modalities; a mean that the paper prints stays as it is printed."""
    lines = tables(
        OF_SUBSETS,
        source="A paper, Table 1",
        not_comparable="another split.",
        columns=["adc+t2", "mean", "t2", "adc"],
        rows={"PZ, theirs": [80.0, 70.5, 70.0, 60.0], "TZ, theirs": [1, 2, 3, 4], "PZ, part": [50.25, None, None, 4]},
    )
    assert cells(lines, "PZ, ours") == [
        ["PZ, ours", "60.00", "40.00", "80.00", "60.00"],
        ["PZ, ours", "60.00 ± 20.00", "80.00", "50.00 ± 14.14"],
    ]
    assert cells(lines, "PZ, theirs (printed)") == [
        ["PZ, theirs (printed)", "70.00", "60.00", "80.00", "70.50"],
        ["PZ, theirs (printed)", "70.50", "80.00", "65.00"],
    ]
    assert cells(lines, "PZ, part (printed)") == [
        ["PZ, part (printed)", "", "4.00", "50.25", ""],
        ["PZ, part (printed)", "", "50.25", ""],
    ]
    assert not cells(lines, "TZ, theirs (printed)")
    assert "(printed): numbers of A paper, Table 1; not comparable: another split." in lines


def test_rows_of_methods_by_hand(tables):
    lines = tables(
        OF_METHOD, source="A paper", not_comparable="so.", columns=["ET", "WT"], rows={"theirs": [None, 91.5]}
    )
    assert cells(lines, "method") == [["method", "runs", "mean of WT/TC/ET", "WT", "TC", "ET"]]
    assert cells(lines, "ours") == [["ours", "1", "80.00", "90.00", "80.00", "70.00"]]
    assert cells(lines, "theirs (printed)") == [["theirs (printed)", "", "", "91.50", "", ""]]
    assert "(printed): numbers of A paper; not comparable: so." in lines


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"source": "a", "not_comparable": "b", "columns": ["WT"], "rows": {"x": [1, 2]}}']
)
def test_another_file_is_refused(tmp_path, content):
    (tmp_path / "printed.json").write_text(content)
    with pytest.raises(InputError, match=r"printed\.json: is not a printed table \(.*give a JSON file with source"):
        PrintedTable(str(tmp_path / "printed.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parents[2].name}-{path.stem}")
def test_files_of_the_bundles_name_what_the_tables_have_and_their_means_are_right(path):
    printed = PrintedTable(str(path))
    assert printed.source
    assert printed.not_comparable.endswith(".")
    modalities = set(json.loads((path.parents[2] / "configs" / "train.json").read_text()).get("modalities", []))
    subsets = [name for name in printed.numbers if set(name.split("+")) <= modalities]
    if not subsets:
        return
    assert set(printed.numbers) == {*subsets, "mean"}
    assert len({frozenset(name.split("+")) for name in subsets}) == len(subsets)
    if len(subsets) == 2 ** len(modalities) - 1:
        means = printed.numbers[subsets].mean(axis=1)
        wrong = set(means.index[np.abs(means - printed.numbers["mean"]) > 0.03])
        assert wrong == PRINTED_WRONG & set(means.index)


def test_files_were_found():
    assert len(FILES) >= 6
