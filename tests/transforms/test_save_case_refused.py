"""What cannot be saved is refused before a file is written."""

import pytest
import torch
from brain_case import MODALITIES, saver, segmented_head

from shared.errors import InputError
from shared.transforms import SaveImageCased


@pytest.fixture
def case(tmp_path):
    return segmented_head(tmp_path)


def test_an_output_folder_that_is_a_file_is_refused(case, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        saver(tmp_path)(case[1])


@pytest.mark.parametrize("content", [None, "{", '{"name": "x"}', "[]"])
def test_rejects_missing_metadata(tmp_path, content):
    if content is not None:
        (tmp_path / "metadata.json").write_text(content)
    with pytest.raises(InputError, match=r"metadata.json, with name and version, is needed"):
        SaveImageCased(str(tmp_path), MODALITIES, ["tumour"], metadata_path=str(tmp_path / "metadata.json"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"case": "../P1"}, "expected a name without slashes"),
        ({"uncertainty": None}, r"no tensor under \['uncertainty'\]"),
        ({"image": torch.zeros(2, 3, 3, 3)}, r"grids differ \(pred \(30, 26, 12\), .* image \(3, 3, 3\)"),
        ({"image": torch.zeros(3, 30, 26, 12)}, "do not fit an image of 3 channels"),
        ({"pred": torch.full((1, 30, 26, 12), 4)}, "class 4 has no name"),
    ],
)
def test_rejects_what_does_not_fit(case, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        saver(tmp_path)({**case[1], **change})
    assert not (tmp_path / "out").exists()
