import json
import threading

import pytest

from shared.errors import InputError
from shared.transforms.case_place import case_place


def done(folder, inputs, name="P1"):
    with case_place(folder, name, inputs) as place:
        (place / f"{name}.json").write_text(json.dumps({"inputs": inputs}))


def test_results_of_other_files_are_not_replaced(tmp_path):
    done(tmp_path, {"flair": "a/flair.nii", "t1": ["b.nii", 1]})
    with pytest.raises(InputError, match=r"P1: holds the results of a/flair\.nii, and those of c\.nii would replace"):
        done(tmp_path, {"flair": "c.nii"})
    done(tmp_path, {"flair": "c.nii"}, name="p1")
    with pytest.raises(InputError, match=r"the results of flair: c\.nii, and those of flair: c\.nii, t1: b\.nii would"):
        done(tmp_path, {"flair": "c.nii", "t1": "b.nii"}, name="p1")


def test_the_same_files_may_be_done_again_however_they_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done(tmp_path, {"flair": "a/flair.nii", "t1": ["b.nii", 1]})
    done(tmp_path, {"flair": "./a/flair.nii", "t1": [str(tmp_path / "b.nii"), 1]})


def test_without_a_complete_record_a_folder_is_free(tmp_path):
    (tmp_path / "P1").mkdir()
    (tmp_path / "P1" / "P1.json").write_text("{")
    done(tmp_path, {"flair": "a.nii"})
    done(tmp_path / "arrays", {})
    done(tmp_path / "arrays", {})


def test_what_a_killed_process_left_half_written_is_removed(tmp_path):
    (tmp_path / "P1").mkdir()
    (tmp_path / "P1" / ".writing-abc-P1_seg.nii.gz").touch()
    (tmp_path / "P1" / "P1_seg.nii.gz").touch()
    done(tmp_path, {"flair": "a.nii"})
    assert sorted(path.name for path in (tmp_path / "P1").iterdir()) == ["P1.json", "P1_seg.nii.gz"]


def test_of_two_that_write_at_a_time_the_second_waits_and_is_refused(tmp_path):
    entered, refusals = threading.Event(), []

    def second():
        entered.wait()
        try:
            done(tmp_path, {"flair": "b.nii"})
        except InputError as error:
            refusals.append(str(error))

    thread = threading.Thread(target=second)
    thread.start()
    with case_place(tmp_path, "P1", {"flair": "a.nii"}) as place:
        entered.set()
        thread.join(timeout=0.3)
        assert thread.is_alive()
        (place / "P1.json").write_text(json.dumps({"inputs": {"flair": "a.nii"}}))
    thread.join(timeout=10)
    assert len(refusals) == 1


@pytest.mark.parametrize("channel", [[], [2]], ids=["file", "channel of a file"])
def test_results_do_not_go_among_the_images(tmp_path, channel):
    """`a_seg.nii.gz` may be the reference there."""
    path = str(tmp_path / "a" / "a_flair.nii.gz")
    inputs = {"flair": [path, *channel] if channel else path}
    with pytest.raises(InputError, match=r"a: holds .*a_flair.nii.gz; results do not go among images, choose another"):
        done(tmp_path, inputs, name="a")
    done(tmp_path / "eval", inputs, name="a")
