"""Files that are no pictures, or pictures that no network takes, are refused by name."""

import numpy as np
import pytest
from PIL import Image
from written_pictures import COLOURS, COLUMNS, ROWS, load, save

from shared.errors import InputError
from shared.transforms import LoadPictured


def test_unusual_pictures_are_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"a.tif: holds fractions; store whole numbers of 8 or 16 bits"):
        load(save(tmp_path / "a.tif", COLOURS[..., 0].astype(np.float32)))
    with pytest.raises(InputError, match=r"b.tif: values reach from 0 to 1200000; store it with 8 or 16 bits"):
        load(save(tmp_path / "b.tif", COLOURS[..., 0].astype(np.int32) * 10000))
    pages = [Image.fromarray(COLOURS)] * 2
    with pytest.raises(InputError, match=r"c.tif: holds 2 pages; store the page that is meant"):
        load(save(tmp_path / "c.tif", pages[0], save_all=True, append_images=pages[1:]))


@pytest.mark.parametrize("name", ["a.bmp", "a.png", "a.tif", "a.jpg"])
def test_a_truncated_file_is_named(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    path = save(tmp_path / name, noise)
    whole = (tmp_path / name).read_bytes()
    for kept in (len(whole) // 2, 20, 0):
        (tmp_path / name).write_bytes(whole[:kept])
        with pytest.raises(InputError, match=rf"{name}: cannot be read as an image, it is damaged") as caught:
            load(path)
        assert "\n" not in str(caught.value)


def test_a_path_without_a_picture_is_named(tmp_path):
    (tmp_path / "notes.png").write_text("these are notes")
    with pytest.raises(InputError, match=r"notes.png: cannot be read as an image"):
        load(tmp_path / "notes.png")
    with pytest.raises(InputError, match=r"gone.png: no such file; correct the path"):
        load(str(tmp_path / "gone.png"))
    with pytest.raises(InputError, match=r"no such file"):
        load(save(tmp_path / "a.png", COLOURS), label=str(tmp_path))
    with pytest.raises(InputError, match=r"expected the path of an image, got \['a.png', 'b.png'\]"):
        LoadPictured("image")({"image": ["a.png", "b.png"], "case": "a"})


def test_a_picture_that_pillow_holds_for_a_bomb_is_refused_in_one_line(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", COLOURS)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", ROWS * COLUMNS // 2 - 1)
    with pytest.raises(InputError, match=r"a.png: cannot be read .* too large; .*DecompressionBombError"):
        load(path)
