import os

import pytest

from shared.atomic_write import atomic_write, remove_leftovers, require_writable
from shared.errors import InputError, find_input_error


def test_a_finished_block_leaves_the_file_and_nothing_else(tmp_path):
    with atomic_write(tmp_path / "new" / "label.nii.gz") as temporary:
        assert temporary.parent == tmp_path / "new"
        assert temporary.name.endswith(".nii.gz")
        temporary.write_text("whole")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["label.nii.gz"]
    assert (tmp_path / "new" / "label.nii.gz").read_text() == "whole"


def break_off(path):
    with atomic_write(path) as temporary:
        temporary.write_text("ha")
        raise RuntimeError("no more")


def test_a_broken_block_leaves_what_was_there(tmp_path):
    path = tmp_path / "model.pt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="no more"):
        break_off(path)
    assert path.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


def test_others_may_read_the_file_as_the_umask_says(tmp_path):
    before = os.umask(0o022)
    try:
        with atomic_write(tmp_path / "a") as temporary:
            temporary.write_text("a")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    cannot = pytest.raises(InputError, match=r"file/a: cannot be written .* choose another output folder")
    with cannot, atomic_write(tmp_path / "file" / "a"):
        pass


def test_a_folder_is_tried_before_the_work_and_left_empty(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"file/new: cannot be written .* choose another output folder"):
        require_writable(tmp_path / "file" / "new")
    require_writable(tmp_path / "new" / "below")
    assert list((tmp_path / "new" / "below").iterdir()) == []


def test_an_input_error_is_found_behind_others():
    cause = InputError("a.nii: truncated; copy it again.")
    outer = RuntimeError("applying transform")
    outer.__cause__ = cause
    assert find_input_error(outer) is cause
    assert find_input_error(RuntimeError("something else")) is None


def test_an_input_error_of_a_worker_process_is_found_in_its_text():
    text = (
        "Caught RuntimeError in worker 0.\nTraceback ...\nshared.errors.InputError: a.nii: truncated.\n\nThe above ..."
    )
    assert str(find_input_error(RuntimeError(text))) == "a.nii: truncated."
    assert str(find_input_error(InputError(text))) == "a.nii: truncated."


def test_leftovers_of_a_killed_process_are_removed_and_nothing_else(tmp_path):
    (tmp_path / ".writing-abc-model.pt").write_text("half")
    (tmp_path / "model.pt").write_text("whole")
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


@pytest.mark.parametrize("name", ["x" * 248 + ".nii.gz", "é" * 124 + ".nii.gz", ".json".rjust(255, "y")])
def test_names_as_long_as_the_disk_allows_can_be_written(tmp_path, name):
    with atomic_write(tmp_path / name) as temporary:
        assert temporary.suffix == f".{name.rpartition('.')[2]}"
        temporary.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_name_that_is_too_long_is_told_so(tmp_path):
    with (
        pytest.raises(InputError, match=r"File name too long.*; shorten the name"),
        atomic_write(tmp_path / ("x" * 256)),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
