"""The label conventions of brain tumours."""

import pytest

from shared.transforms.label_tables import label_table


def test_conventions_agree_on_what_they_mean():
    """Every convention knows background and reaches the classes 1, 2 and 3; MEN-RT has one class, a cavity one more."""
    others = {"brats_men_rt": {0, 1}, "brats2024_cavity": {0, 1, 2, 3, 4}}
    for name, mapping in label_table("brain_tumour").mappings.items():
        assert mapping[0] == 0
        assert set(mapping.values()) == others.get(name, {0, 1, 2, 3})


@pytest.mark.parametrize(
    ("convention", "regions"),  # values in the file of WT, TC, ET, as the organisers' programs count them
    [
        ("brats2021", ({1, 2, 4}, {1, 4}, {4})),
        ("brats2023", ({1, 2, 3}, {1, 3}, {3})),
        ("brats_africa", ({1, 2, 3}, {1, 3}, {3})),
        ("brats_meningioma", ({1, 2, 3}, {1, 3}, {3})),
        ("brats2024_glioma", ({1, 2, 3}, {1, 3}, {3})),  # 4, the resection cavity, belongs to none
        ("brats2025_metastases", ({1, 2, 3}, {1, 3}, {3})),
        ("brats2024_cavity", ({1, 2, 3}, {1, 3}, {3})),
        ("brats_pediatric", ({1, 2, 3, 4}, {1, 2, 3}, {1})),
    ],
)
def test_regions_are_those_of_the_challenges(convention, regions):
    mapping = label_table("brain_tumour").mappings[convention]
    for values, classes in zip(regions, ({1, 2, 3}, {1, 3}, {3}), strict=True):
        assert {value for value, klass in mapping.items() if klass in classes} == values
