import numpy as np
import pytest
import torch
from PIL import Image

from shared.errors import InputError
from shared.handlers import (
    ReadMaskPredictions,
    ReadObjectPredictions,
    read_mask_predictions,
    read_object_predictions,
)

CLASSES = ["normal", "benign"]
CASES = [{"case": "P1"}, {"case": "P2"}]
BATCH = {"label": torch.zeros(1, 1, 4, 6), "instances": torch.zeros(1, 1, 4, 6)}


def write(path, values, kind=np.uint8):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.asarray(values).astype(kind)).save(path)


@pytest.fixture
def masks(tmp_path):
    """One of 0 and 255 in the folder, one of 0 and 1 in a folder of its own."""
    mask = np.zeros((4, 6))
    mask[1, 2:5] = 255
    write(tmp_path / "P1_mask.png", mask)
    write(tmp_path / "P2" / "P2.bmp", mask[:, ::-1] / 255)
    return tmp_path


def test_masks_are_what_is_not_0(masks):
    reader = ReadMaskPredictions(str(masks), CASES, CLASSES)
    first, second = (reader.read(reader.files[case], BATCH) for case in ("P1", "P2"))
    assert first["pred"].dtype == torch.uint8
    assert first["pred"].nonzero().tolist() == [[0, 1, 2], [0, 1, 3], [0, 1, 4]]
    assert torch.equal(second["pred"], first["pred"].flip(2))
    assert not first["uncertainty"].any()


def test_objects_keep_their_numbers_and_one_number_is_taken_apart(tmp_path):
    objects = np.zeros((4, 6))
    objects[0, 0], objects[3, 5] = 300, 7
    write(tmp_path / "P1_instances.png", objects, np.uint16)
    write(tmp_path / "P2.png", objects > 0)
    reader = ReadObjectPredictions(str(tmp_path), CASES, CLASSES)
    found = [reader.read(reader.files[case], BATCH)["pred_instances"] for case in ("P1", "P2")]
    assert found[0].unique().tolist() == [0, 7, 300]
    assert found[1].unique().tolist() == [0, 1, 2]


def test_classes_are_certain_where_the_table_has_them_and_nan_without_it(masks):
    assert ReadMaskPredictions(str(masks), CASES, CLASSES)._class("P1").isnan().all()
    (masks / "classes.csv").write_text("case,class\nP2,normal\nP1,benign\n")
    assert ReadMaskPredictions(str(masks), CASES, CLASSES)._class("P1").tolist() == [0, 1]


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ("case,class\nP1,benign\n", "classes.csv: has no row for case P2; add it"),
        ("case,class\nP1,bening\nP2,normal\n", "classes.csv: 'bening' is no class; choose of normal, benign"),
        ("P1,benign\n", "classes.csv: expected the columns case and class"),
    ],
)
def test_tables_of_classes_that_do_not_fit(masks, table, text):
    (masks / "classes.csv").write_text(table)
    with pytest.raises(InputError, match=text):
        ReadMaskPredictions(str(masks), CASES, CLASSES)


def test_what_cannot_be_scored(masks, tmp_path):
    assert read_mask_predictions(None, CASES, CLASSES) is read_object_predictions(None, CASES, CLASSES) is None
    with pytest.raises(InputError, match=r"1 of 3 cases have no file, such as P3 .P3.png or P3_seg.png is expected"):
        read_mask_predictions(str(masks), [*CASES, {"case": "P3"}], CLASSES)
    reader = read_mask_predictions(str(masks), CASES, CLASSES)
    with pytest.raises(InputError, match=r"P1_mask.png: is 6 x 4 pixels, but the annotation of the case is 8 x 4"):
        reader.read(reader.files["P1"], {"label": torch.zeros(1, 1, 4, 8)})
    write(masks / "P1.png", np.zeros((4, 6)))
    with pytest.raises(InputError, match="two predictions of case P1; leave one"):
        read_mask_predictions(str(masks), CASES, CLASSES)
