import numpy as np
import pytest
from PIL import Image

from shared.data.picture_survey import with_highest_value, with_one_number
from shared.errors import InputError
from shared.pictures import label_numbers, open_picture

TWO = np.zeros((20, 30), np.uint8)
TWO[2:8, 2:8] = TWO[12:18, 12:28] = 1
SEVERAL = np.where(np.arange(30) < 10, 1, 2).astype(np.uint8) * TWO  # the second is in both numbers' columns


@pytest.fixture
def cases(tmp_path):
    def make(key, **pictures):
        for name, values in pictures.items():
            Image.fromarray(values).save(tmp_path / f"{name}.png")
        return [{"case": name, key: str(tmp_path / f"{name}.png")} for name in pictures]

    return make


def told(cases):
    return {case["case"]: case.get("one_number") for case in with_one_number(cases)}


@pytest.mark.parametrize("number", [1, 128, 255])
def test_one_number_in_all_files_stands_for_all_objects(cases, number, caplog):
    assert told(cases("instances", a=TWO * number, b=TWO[:10] * number, c=0 * TWO)) == {
        "a": True,
        "b": True,
        "c": False,
    }
    assert f"1 of 3 annotations have one number for all objects ({number} in " in caplog.text
    assert len(caplog.records) == 1


def test_one_object_in_two_pieces_stays_one_where_others_are_numbered(cases, caplog):
    assert told(cases("instances", a=SEVERAL, b=TWO)) == {"a": False, "b": False}
    assert not caplog.text


def test_a_mask_among_numbered_annotations_is_told_by_its_number(cases, caplog):
    assert told(cases("instances", a=SEVERAL, b=TWO * 255)) == {"a": False, "b": True}
    assert "1 of 2 annotations have one number for all objects (255 in " in caplog.text


def test_a_mask_with_white_first_in_its_palette(cases, tmp_path):
    items = cases("instances", a=TWO, b=TWO)
    for item in items:
        picture = Image.fromarray(1 - TWO).convert("P")
        picture.putpalette([255, 255, 255, 0, 0, 0])
        picture.save(item["instances"])
    for item in with_one_number(items):
        found = label_numbers(open_picture(item["instances"]), item["one_number"])
        np.testing.assert_array_equal(found, TWO * 255)


def test_a_data_set_whose_images_have_one_object_each(cases, caplog):
    assert told(cases("instances", a=TWO[:10], b=TWO[10:])) == {"a": True, "b": True}
    assert not caplog.text, "one component is one object, however it is read"


def test_numbers_of_classes_are_refused(cases):
    spots = np.zeros((40, 40), np.uint8)
    spots[::4, ::4] = 1
    spots[2::4, 2::4] = 2
    with pytest.raises(
        InputError, match=r"a.png: the annotations hold the numbers 1, 2 only, in 200 pieces here, as c"
    ):
        with_one_number(cases("instances", a=spots, b=SEVERAL))


def test_what_has_no_annotation_or_cannot_be_read_is_left_to_others(cases, tmp_path):
    (tmp_path / "empty.png").touch()
    items = [*cases("instances", a=TWO), {"case": "none"}, {"case": "b", "instances": str(tmp_path / "empty.png")}]
    assert told(items) == {"a": True, "none": None, "b": None}
    assert "one_number" not in items[0]


def highest(cases):
    return {case["case"]: case.get("highest_value") for case in with_highest_value(cases)}


def test_all_deep_pictures_share_the_highest_value(cases, caplog, tmp_path):
    deep = np.arange(600, dtype=np.uint16).reshape(20, 30)
    found = highest(cases("image", dark=deep, bright=deep * 6 + 100, plain=TWO))
    assert found == {"dark": 3694, "bright": 3694, "plain": None}
    assert "2 of 3 images have 16 bits but values up to 3694 only: white is taken to be 4095 in all" in caplog.text
    caplog.clear()
    assert highest(cases("image", dark=deep, full=deep * 100)) == {"dark": 59900, "full": 59900}
    assert not caplog.text
    (tmp_path / "empty.png").touch()
    assert highest([{"case": "a", "image": str(tmp_path / "empty.png")}]) == {"a": None}
