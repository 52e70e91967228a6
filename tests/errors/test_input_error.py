"""An `InputError` comes out of what it was wrapped in; other errors stay as they are."""

import pytest

from shared.errors import InputError, input_errors_unwrapped


def test_an_input_error_is_raised_in_place_of_what_wraps_it():
    with pytest.raises(InputError, match=r"^a.nii: truncated"), input_errors_unwrapped():
        raise RuntimeError("applying transform") from InputError("a.nii: truncated; copy it again.")


@pytest.mark.parametrize("error", [RuntimeError("another"), InputError("a.nii: truncated; copy it again.")])
def test_other_errors_and_a_bare_input_error_are_raised_as_they_are(error):
    with pytest.raises(type(error)) as caught, input_errors_unwrapped():
        raise error
    assert caught.value is error
