"""The valid combinations of labels in a hierarchy."""

import pytest
from label_hierarchies import FOUR_LABELS, GLAND_STATES, valid_vectors_of_four

from shared.errors import InputError
from shared.losses import label_states


def test_gland_states_are_stroma_epithelium_and_lumen_inside_epithelium():
    assert label_states().tolist() == [list(state) for state in GLAND_STATES]


def test_nested_tumour_regions_have_as_many_states_as_labels():
    """Regions within regions, and background as a label of its own."""
    states = label_states(
        ["background", "whole", "core", "enhancing"],
        implies=[["enhancing", "core"], ["core", "whole"]],
        excludes=[["whole", "background"]],
    )
    assert states.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 1]]


def test_contour_is_another_state_inside_epithelium():
    states = label_states(**FOUR_LABELS)
    assert states.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 1, 0, 1]]
    assert sorted(map(tuple, states.int().tolist())) == sorted(valid_vectors_of_four())


def test_without_rules_every_vector_but_zero_is_valid_by_first_label_then_number_of_labels():
    states = label_states(["a", "b", "c"], implies=[], excludes=[])
    assert states.tolist() == [[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1], [0, 1, 0], [0, 1, 1], [0, 0, 1]]


@pytest.mark.parametrize(
    ("labels", "implies", "excludes", "message"),
    [
        (["a", "b"], [["b", "z"]], [], r"\['b', 'z'\] in implies or excludes is no pair of the labels \['a', 'b'\]"),
        (["a", "b"], ["ab"], [], "ab in implies or excludes is no pair"),
        (["a", "b"], [], [["a"]], r"\['a'\] in implies or excludes is no pair"),
        (["a", "b"], [["b", "a"]], [["a", "b"]], "leave no valid state with 'b'"),
        (["a", "a"], [], [], r"must be different names, got \['a', 'a'\]"),
        ([], [], [], "must be different names"),
    ],
)
def test_refuses_rules_that_fit_no_label(labels, implies, excludes, message):
    with pytest.raises(InputError, match=message):
        label_states(labels, implies, excludes)
