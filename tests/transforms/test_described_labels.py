import json

import pytest

from shared.errors import InputError
from shared.transforms import MapLabel
from shared.transforms.described_labels import described_labels
from shared.transforms.label_tables import label_table


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (
            {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"},
            {0: 0, 1: 2, 2: 1, 3: 3},
        ),
        ({"background": 0, "NCR": 1, "ED": 2, "ET": 3, "RC": 4}, {0: 0, 1: 1, 2: 2, 3: 3, 4: None}),
        ({"background": 0, "ET": 1, "NET": 2, "CC": 3, "ED": 4}, {0: 0, 1: 3, 2: 1, 3: 1, 4: 2}),
        (
            {"enhancing tumor": [3], "background": 0, "whole tumor": [1, 2, 3], "tumor core": [2, 3]},
            {0: 0, 1: 2, 2: 1, 3: 3},
        ),
        ({"whole_tumor": [1, 2, 4], "tumor_core": [1, 4], "enhancing_tumor": 4}, {1: 1, 2: 2, 4: 3}),
        ({"label 1": "x"}, {}),
        (["edema"], {}),
    ],
)
def test_names_of_labels_in_both_formats_and_as_regions(tmp_path, labels, classes):
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    assert described_labels(tmp_path / "labelsTr" / "a.nii.gz", label_table("brain_tumour").words) == classes


def test_a_convention_that_contradicts_the_data_set_is_refused_with_a_mapping_that_fits(tmp_path):
    cases = [{"case": "a", "label": str(tmp_path / "labelsTr" / "a.nii.gz")}]
    labels = {"0": "background", "1": "necrosis", "2": "edema", "3": "enhancing tumor", "4": "cavity"}
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    with pytest.raises(
        InputError, match=r"a.nii.gz: the names of the labels in its dataset.json mean .*, 2: 2, "
    ) as error:
        MapLabel(None, "msd", cases)
    assert str(error.value).endswith('as "{0: 0, 1: 1, 2: 2, 3: 3, 4: CLASS}".')
    assert MapLabel("brats2024_glioma", "msd", cases).name == "brats2024_glioma"
    assert MapLabel({0: 0, 1: 2}, "msd", cases).mapping == {0: 0, 1: 2}  # a mapping is the user's own word


def test_zones_of_the_prostate(tmp_path):
    cases = [{"case": "a", "label": str(tmp_path / "labelsTr" / "a.nii.gz")}]
    for labels, is_right in (({"0": "background", "1": "PZ", "2": "TZ"}, True), ({"TZ": 1, "PZ": 2}, False)):
        (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
        if is_right:
            assert MapLabel(None, "msd", cases, "prostate_zones").name == "msd"
        else:
            with pytest.raises(InputError, match=r'as "\{1: 2, 2: 1\}"'):
                MapLabel(None, "msd", cases, "prostate_zones")
