import nibabel
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from shared.errors import InputError
from shared.handlers import ReadPredictions, read_predictions

AFFINE = np.diag([-2.0, 2.0, 3.0, 1.0])
LABEL = MetaTensor(torch.zeros(1, 4, 3, 2), affine=torch.from_numpy(AFFINE))
CASES = [{"case": "P1"}, {"case": "P2"}]


@pytest.fixture
def predictions(tmp_path, write_nifti):
    """Label maps in the numbers of BraTS to 2021, one beside, one in a folder of its own."""
    values = np.zeros((4, 3, 2), dtype=np.uint8)
    values[0, 0, 0], values[3, 2, 1], values[1, 1, 1] = 1, 2, 4
    write_nifti(tmp_path / "P1.nii.gz", values, AFFINE)
    write_nifti(tmp_path / "P2" / "P2_seg.nii", values[::-1], AFFINE)
    return tmp_path


def test_files_become_logits_that_are_certain_of_their_classes(predictions):
    reader = ReadPredictions(str(predictions), CASES, 4, "brats2021")
    found = reader.read("P1", LABEL)
    probabilities = found.softmax(dim=0)
    assert probabilities.max(dim=0).values.min() > 1 - 1e-6
    classes = found.argmax(dim=0)
    assert (classes[0, 0, 0], classes[3, 2, 1], classes[1, 1, 1]) == (1, 2, 3)
    assert int((classes > 0).sum()) == 3
    torch.testing.assert_close(found.affine, torch.from_numpy(AFFINE))
    assert torch.equal(reader.read("P2", LABEL).argmax(dim=0), classes.flip(0))


def test_without_a_folder_the_network_predicts():
    assert read_predictions(None, CASES, 4) is None
    with pytest.raises(InputError, match="--prediction_convention: has no effect without --predictions"):
        read_predictions(None, CASES, 4, "brats2021")


@pytest.mark.parametrize(
    ("convention", "text"),
    [
        (
            None,
            r"P1.nii.gz: label value 4 not in convention given in the config \(0, 1, 2, 3\); the label holds "
            r"0, 1, 2, 4. Give --prediction_convention with what they mean: brats2013",
        ),
        ({0: 0, 1: 1, 2: 2, 4: 9}, "P1.nii.gz: holds class 9, expected classes up to 3; correct --prediction_conventi"),
        ("brats1999", "label convention 'brats1999' is unknown; choose one of"),
    ],
)
def test_unknown_numbers_and_conventions(predictions, convention, text):
    with pytest.raises(InputError, match=text):
        read_predictions(str(predictions), CASES, 4, convention).read("P1", LABEL)


def test_what_cannot_be_scored_is_found_before_the_first_case(predictions, tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such folder; give the one with the label maps"):
        ReadPredictions("nowhere", CASES, 4)
    with pytest.raises(InputError, match=r"1 of 3 cases have no file, such as P3 \(P3.nii.gz or P3_seg.nii.gz is exp"):
        ReadPredictions(str(predictions), [*CASES, {"case": "P3"}], 4)
    (predictions / "P2.nii.gz").touch()
    with pytest.raises(InputError, match=r"P2.nii.gz and .*P2_seg.nii: two predictions of case P2; leave one"):
        ReadPredictions(str(predictions), CASES, 4)


def test_another_grid_and_an_unreadable_file_are_refused(predictions):
    reader = ReadPredictions(str(predictions), CASES, 4, "brats2021")
    moved = MetaTensor(LABEL.as_tensor(), affine=torch.from_numpy(np.diag([2.0, 2.0, 3.0, 1.0])))
    with pytest.raises(InputError, match=r"P1.nii.gz: is not on the grid of the case's label: the axes point"):
        reader.read("P1", moved)
    (predictions / "P1.nii.gz").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"P1.nii.gz: is no readable label map"):
        reader.read("P1", LABEL)


def test_values_keep_their_order_on_disk(predictions):
    stored = nibabel.load(predictions / "P1.nii.gz").get_fdata()
    found = ReadPredictions(str(predictions), CASES, 4, {0: 0, 1: 3, 2: 2, 4: 1}).read("P1", LABEL).argmax(dim=0)
    np.testing.assert_array_equal(found.numpy(), np.array([0, 3, 2, 0, 1])[stored.astype(int)])
