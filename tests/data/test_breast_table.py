from pathlib import Path

import pytest

from shared.data import find_breast_cases
from shared.errors import InputError

CLASSES = ["normal", "benign", "malignant"]


@pytest.fixture
def table(tmp_path):
    """Give a function that writes a table beside four images and returns the folder."""

    def write(text, encoding="utf-8"):
        for name in ("p/a.bmp", "p/b.bmp", "m/a.bmp", "m/a2.bmp"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        (tmp_path / "cases.csv").write_text(text, encoding=encoding)
        return tmp_path

    return write


def from_table(folder, classes=CLASSES, **options):
    return find_breast_cases(folder, classes, cases_file=folder / "cases.csv", **options)


def test_classes_of_a_table_in_small_or_large_letters(table):
    (case,) = from_table(table("image,class\np/a.bmp,MALIGNANT\n"))
    assert case["class"] == 2
    (case,) = from_table(table("image,class\np/a.bmp,Normal\n"))
    assert case["mask"] == []


def test_table(table):
    folder = table(
        "Image, mask ,class,case,group,age\n"
        "p/a.bmp,m/a.bmp; m/a2.bmp,malignant,second,pair,51\n"
        "\n"
        "p/b.bmp,,normal,,,\n"
        '{absolute},"m/a.bmp;",,first,,\n'.replace("{absolute}", str(Path(__file__))),
        encoding="utf-8-sig",
    )
    b, first, second = from_table(folder)
    assert b == {"case": "b", "image": str(folder / "p/b.bmp"), "mask": [], "class": 0}
    assert first == {"case": "first", "image": __file__, "mask": [str(folder / "m/a.bmp")]}
    assert second["mask"] == [str(folder / "m/a.bmp"), str(folder / "m/a2.bmp")]
    assert (second["class"], second["group"]) == (2, "pair")


def test_a_lesion_without_outline_is_unknown_and_not_empty(table):
    (case,) = from_table(table("image,class\np/a.bmp,benign\n"))
    assert "mask" not in case
    with pytest.raises(InputError, match=r"a.bmp: has no mask .*\(1 of the 1 images"):
        from_table(table("image,class\np/a.bmp,benign\n"), needs_label=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("picture,class\np/a.bmp,benign\n", r'cases.csv: must have a column "image".*reads \'picture,class\''),
        ("image;class\np/a.bmp;benign\n", r"commas between them"),
        ("image,mask,mask\np/a.bmp,,\n", r"each once"),
        ("image,class\np/a.bmp,bening\n", r"line 2: class 'bening' is unknown; write normal or benign or malignant"),
        ("image,mask\np/a.bmp,m/c.bmp\n", r"line 2: .*m/c.bmp is no file; correct it \(paths start at"),
        ("image\n\np/c.bmp\n", r"line 3: .*p/c.bmp is no file"),
        ("image,class\n,benign\n", r"line 2: case '' cannot name files"),
        ("image,case\np/a.bmp,P1/left\n", r"line 2: case 'P1/left' cannot name files"),
        ("image,case\np/a.bmp,mean\n", r"line 2: case 'mean' cannot name files or a row"),
        ("image\np/a.bmp\nm/a.bmp\n", r"line 3 names case a again \(.*p/a.bmp and .*m/a.bmp\)"),
        ("image,class\np/a.bmp\n", r"line 2 has 1 cells, the first line 2"),
        ("image\n", r"lists no image"),
        ("", r"must have a column"),
    ],
)
def test_bad_tables_are_named(table, text, message):
    with pytest.raises(InputError, match=message):
        from_table(table(text))
