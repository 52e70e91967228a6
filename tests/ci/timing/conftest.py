import pytest
from timed_bundle import BUNDLE
from tiny_phantoms import paint_tiny_phantoms


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory):
    return str(paint_tiny_phantoms(BUNDLE, tmp_path_factory.mktemp("phantoms")))
