import csv
import json
from types import SimpleNamespace

import pytest

from shared.data import CaseStream
from shared.errors import InputError
from shared.reports import CohortTable

ENGINE = SimpleNamespace(state=SimpleNamespace(rank=0))
CLASSES = [{"value": 1, "name": "oedema", "volume_ml": 2.5}, {"value": 4, "name": "core", "volume_ml": 0.0}]
VOLUME = {
    "modalities_found": ["t1", "flair"],
    "classes": CLASSES,
    "mean_uncertainty_where_segmented": 0.25,
    "seconds_since_reading_began": 1.5,
}
PICTURE = {
    "class": "benign",
    "regions": [
        {"value": 0, "name": "ground", "area_px": 90, "share": 0.9},
        {"value": 1, "name": "lesion", "area_px": 9},
    ],
    "objects": {"number": 3, "area_px": {}},
    "mean_uncertainty_where_segmented": None,
    "seconds_since_reading_began": None,
}


def write(folder, case, record, name=None):
    place = folder / (name or case)
    place.mkdir()
    (place / f"{place.name}.json").write_text(json.dumps(record))


def read(item):
    if item["case"].startswith("bad"):
        raise InputError(f"{item['case']}: truncated | cut; copy it again.")
    return item


def table(folder, *cases, finished=(), **options):
    stream = CaseStream([{"case": case} for case in cases], read)
    stream.finished = set(finished)
    list(stream)
    CohortTable(stream, str(folder), **options)(ENGINE)
    with (folder / "cohort.csv").open() as file:
        return list(csv.DictReader(file))


def test_every_case_has_a_row_with_what_its_record_says_or_why_it_failed(tmp_path):
    for case in "ca":
        write(tmp_path, case, VOLUME)
    rows = table(tmp_path, "c", "bad", "a", finished=[0])
    done = {"status": "done", "seconds": "1.5", "modalities_found": "t1 flair", "volume_ml oedema": "2.5"}
    done |= {"volume_ml core": "0.0", "mean_uncertainty": "0.25", "reason": ""}
    assert rows[0] == {"case": "c", **done}
    assert rows[2] == {"case": "a", **done}
    assert {name: value for name, value in rows[1].items() if value} == {
        "case": "bad",
        "status": "failed",
        "reason": "bad: truncated | cut; copy it again.",
    }
    assert list(rows[0]) == ["case", *done]
    lines = (tmp_path / "cohort.md").read_text().splitlines()
    assert lines[2] == "3 cases, 1 failed."
    assert lines[-2] == "| bad | failed |  |  |  |  |  | bad: truncated \\| cut; copy it again. |"


def test_pictures_have_a_class_areas_and_objects(tmp_path):
    write(tmp_path, "a", PICTURE)
    (row,) = table(tmp_path, "a")
    assert row == {
        "case": "a",
        "status": "done",
        "seconds": "",
        "class": "benign",
        "area_px lesion": "9",
        "objects": "3",
        "mean_uncertainty": "",
    }


def test_a_failure_counts_more_than_an_earlier_record_and_a_case_without_one_is_no_success(tmp_path):
    write(tmp_path, "bad", VOLUME)
    bad, lost = table(tmp_path, "bad", "lost")
    assert bad["status"] == lost["status"] == "failed"
    assert lost["reason"].endswith("lost.json: no record is there.")


@pytest.mark.parametrize("options", [{}, {"case_names": "hash"}])
def test_names_are_those_of_the_folders(tmp_path, options):
    hashed = "ca978112ca1b"  # SHA-256 of "a"
    write(tmp_path, "a", VOLUME, name=hashed if options else None)
    (row,) = table(tmp_path, "a", **options)
    assert (row["case"], row["status"]) == (hashed if options else "a", "done")


def test_what_a_killed_run_left_is_removed_and_only_the_first_process_writes(tmp_path):
    (tmp_path / ".writing-abc-cohort.csv").touch()
    stream = CaseStream([{"case": "a"}], read)
    CohortTable(stream, str(tmp_path))(SimpleNamespace(state=SimpleNamespace(rank=1)))
    assert [path.name for path in tmp_path.iterdir()] == [".writing-abc-cohort.csv"]
    table(tmp_path, "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cohort.csv", "cohort.md"]
