import json

import pytest

from shared.data import CaseStream
from shared.handlers import SkipFinished

SETTINGS = {"tta_axes": []}


class Weights:
    note = json.dumps({"file": "model.pt", "sha256": "abc", "settings": {}})


@pytest.fixture
def cases(tmp_path):
    """Three cases; the first two are finished."""
    found = [{"case": name, "t1": f"{name}.nii.gz", "label": "seg.nii.gz"} for name in "abc"]
    for item in found[:2]:
        write(tmp_path, item)
    return found


def write(folder, item, **changes):
    place = folder / item["case"]
    place.mkdir(exist_ok=True)
    (place / "seg.png").touch()
    record = {"inputs": {"t1": item["t1"]}, "outputs": {"segmentation": "seg.png"}, "settings": SETTINGS}
    record |= {"weights": {**json.loads(Weights.note), "file": "moved/model.pt"}}
    (place / f"{item['case']}.json").write_text(json.dumps(record | changes))


def left(folder, cases, **options):
    """Names of the cases that are read, and what the run ends with."""
    stream = CaseStream(cases, lambda case: case)
    arguments = {"settings": SETTINGS, "inputs": ["t1", "t2"], "skip_finished": True} | options
    SkipFinished(stream, Weights(), str(folder), **arguments)()
    names = [case["case"] for case in stream]
    stream.raise_failures()
    return names


def test_cases_with_a_record_of_the_same_files_weights_and_settings_are_not_read(cases, tmp_path):
    assert left(tmp_path, cases) == ["c"]
    assert left(tmp_path, cases[:2]) == []
    assert left(tmp_path, cases, skip_finished=False) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "changes",
    [
        {"weights": {"file": "model.pt", "sha256": "def", "settings": {}}},
        {"weights": {"ensemble": [{"file": "a", "sha256": "abc"}, {"file": "b", "sha256": "d"}], "settings": {}}},
        {"weights": None},
        {"settings": {"tta_axes": [0]}},
        {"inputs": {"t1": "other.nii.gz"}},
        {"outputs": {"segmentation": "seg.png", "uncertainty": "gone.png"}},
    ],
)
def test_what_differs_is_done_again(cases, tmp_path, changes):
    write(tmp_path, cases[0], **changes)
    assert left(tmp_path, cases) == ["a", "c"]


def test_a_further_modality_is_done_again(cases, tmp_path):
    cases[0]["t2"] = "t2.nii.gz"
    assert left(tmp_path, cases) == ["a", "c"]
