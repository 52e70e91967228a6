import pytest

from shared.data import modality_subsets, subset_name

COLUMNS_OF_THE_PAPER = [  # Table 2 of PGO, whose third group is named by what is missing
    *["t1", "t2", "t1ce", "flair"],
    *["t1+t2", "t1+t1ce", "t1+flair", "t2+t1ce", "t2+flair", "t1ce+flair"],
    *["t2+t1ce+flair", "t1+t1ce+flair", "t1+t2+flair", "t1+t2+t1ce"],
    "t1+t2+t1ce+flair",
]


def test_four_modalities_are_in_the_order_of_the_paper():
    names = ["t1", "t2", "t1ce", "flair"]
    assert [subset_name(names, subset) for subset in modality_subsets(4)] == COLUMNS_OF_THE_PAPER


def test_two_modalities_have_three_subsets():
    assert [subset_name(["t2", "adc"], subset) for subset in modality_subsets(2)] == ["t2", "adc", "t2+adc"]


@pytest.mark.parametrize("modalities", [1, 2, 3, 4, 5, 6])
def test_every_non_empty_subset_is_there_once_and_missing_modalities_get_fewer(modalities):
    subsets = modality_subsets(modalities)
    assert len(set(subsets)) == len(subsets) == 2**modalities - 1
    assert all(len(subset) == modalities and any(subset) for subset in subsets)
    assert [sum(subset) for subset in subsets] == sorted(sum(subset) for subset in subsets)


def test_no_modality_is_refused():
    with pytest.raises(ValueError, match="num_modalities must be at least 1, got 0"):
        modality_subsets(0)
