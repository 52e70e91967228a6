"""Files of an earlier run never mix with those of this one, and what cannot be saved is refused."""

import pytest
import torch
from picture_case import REGIONS, RESULTS, record_in, saver, segmented_picture

from shared.errors import InputError
from shared.transforms import SavePictureCased


@pytest.fixture
def case():
    return segmented_picture()


def test_second_run_leaves_nothing_of_the_first(case, tmp_path):
    save = saver(tmp_path)
    save(case)
    save(case | {"pred_instances": case["pred_instances"] + 65535})
    assert {path.name for path in (tmp_path / "out/P1").iterdir()} == {*RESULTS, "P1_instances.tif"}
    del case["pred_instances"]
    save(case)
    assert {path.name for path in (tmp_path / "out/P1").iterdir()} == RESULTS
    assert "objects" not in record_in(tmp_path)
    assert set(record_in(tmp_path)["outputs"].values()) == RESULTS - {"P1.json"}


def test_all_but_the_record_is_the_same_byte_by_byte(case, tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        saver(tmp_path / folder)(case)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one/out").rglob("P1_*"))
    assert len(files) == 4
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_failure_leaves_no_record_not_even_an_older_one(case, tmp_path, monkeypatch):
    save = saver(tmp_path)
    save(case)

    def full_disk(*args, **options):
        raise OSError("No space left on device")

    monkeypatch.setitem(SavePictureCased.__call__.__globals__, "draw_picture_overlay", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save(case)
    assert {path.name for path in (tmp_path / "out/P1").iterdir()} == {*RESULTS, "P1_instances.png"} - {"P1.json"}


def test_an_output_folder_that_is_a_file_is_refused(case, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        saver(tmp_path)(case)


def test_rejects_missing_metadata(tmp_path):
    with pytest.raises(InputError, match=r"metadata.json, with name and version, is needed"):
        SavePictureCased(str(tmp_path), REGIONS, ["benign"], str(tmp_path / "metadata.json"), pixel_size_um=1)


@pytest.mark.parametrize("pixel_size_um", [0, -1.0, float("nan")])
def test_rejects_a_pixel_without_size(tmp_path, pixel_size_um):
    with pytest.raises(ValueError, match="pixel_size_um must be positive"):
        saver(tmp_path, pixel_size_um=pixel_size_um)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"case": "../P1"}, "expected a name without slashes"),
        ({"case": ".."}, "expected a name without slashes"),
        ({"uncertainty": None}, r"no tensor under \['uncertainty'\]"),
        ({"image": torch.zeros(3, 3, 3)}, r"one grid \(H, W\), got .*'image': \(3, 3\)"),
        ({"pred": torch.full((1, 8, 10), 3)}, "region 3 has no name"),
        ({"class_probabilities": torch.ones(3)}, r"do not fit class_probabilities of shape \(3,\)"),
    ],
)
def test_rejects_what_does_not_fit(case, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        saver(tmp_path)({**case, **change})
    assert not (tmp_path / "out").exists()
