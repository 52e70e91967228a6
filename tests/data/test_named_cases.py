import pytest
import torch

from shared.data import name_cases
from shared.errors import InputError

ALL = ["t1", "t1ce", "t2", "flair"]


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ({"flair": "p1/scan.nii.gz"}, "scan"),
        ({"flair": "p1/SCAN.NII.GZ"}, "SCAN"),
        ({"flair": "f.nii", "t1": "my.t1.nii"}, "my.t1"),  # in the order of the modalities
        ({"t2": ["four.nii.gz", 2]}, "four"),
        ({"image": [None, "second.nii", None, None]}, "second"),
        ({"image": "one.nrrd"}, "one"),
        ({"case": 7, "flair": "p1/scan.nii.gz"}, "7"),
    ],
)
def test_a_case_is_called_as_its_first_file(item, name):
    assert name_cases([item], ALL) == [{**item, "case": name}]


def test_a_dicom_folder_gives_its_name(tmp_path):
    (tmp_path / "1.2 T2").mkdir()
    assert name_cases([{"t2": str(tmp_path / "1.2 T2")}], ALL)[0]["case"] == "1.2 T2"


def test_tensors_have_no_name():
    (item,) = name_cases([{"image": torch.zeros(4, 2, 2, 2)}], ALL)
    assert "case" not in item


@pytest.mark.parametrize(
    "pair",
    [
        [{"flair": "p1/flair.nii.gz"}, {"flair": "p2/flair.nii.gz"}],
        [{"flair": "p1/flair.nii.gz"}, {"flair": "p2/flair.nii"}],
        [{"case": "a", "flair": "p1/flair.nii.gz"}, {"case": "a", "flair": "p2/flair.nii.gz"}],
        [{"case": 1, "flair": "p1/flair.nii.gz"}, {"case": "1", "flair": "p2/flair.nii.gz"}],
        [{"image": "p1/flair/"}, {"flair": ["p2/flair.nii.gz", 0]}],
        [{"case": "flair", "t1": "p1/x.nii"}, {"flair": "p2/flair.nii.gz"}],
    ],
)
def test_two_cases_of_one_name_are_refused_naming_both(pair):
    with pytest.raises(InputError, match=r"two cases are called (flair|a|1): p1/\S+ and p2/\S+; .* give each a name"):
        name_cases([{"t1": "another.nii"}, *pair], ALL)
