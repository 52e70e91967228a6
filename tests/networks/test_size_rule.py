import pytest

from shared.errors import InputError
from shared.networks.size_rule import SizeRule, check_sizes, size_rules


def test_metadata_are_read():
    assert size_rules([96, "*", "16*n", "8*n + 8"]) == [(96, 96, True), (1, 2, False), (16, 16, False), (8, 16, False)]


@pytest.mark.parametrize("axis", ["8*n+4", "2**p*n", "n", 1.5])
def test_other_rules_are_no_multiples(axis):
    with pytest.raises(ValueError, match="spatial_shape: expected a number"):
        size_rules([axis])


def test_sizes_beside_the_rules_are_refused():
    rules = [SizeRule(16, 32, False), SizeRule(48, 48, True)]
    for allowed in ((32, 48), (64, 48)):
        check_sizes(allowed, rules)
    for refused in ((16, 48), (40, 48), (32, 96), (32, 48, 32)):
        with pytest.raises(InputError, match=r"takes the sizes a multiple of 16 from 32, 48, got \("):
            check_sizes(refused, rules)
