import pytest

from shared.transforms import class_contradiction


@pytest.mark.parametrize(
    ("name", "segmented", "sentence"),
    [
        ("normal", True, "class normal, but a lesion is segmented"),
        ("malignant", False, "class malignant, but nothing is segmented"),
        ("normal", False, None),
        ("malignant", True, None),
    ],
)
def test_sentences(name, segmented, sentence):
    assert class_contradiction(name, "normal", segmented) == sentence
