import pytest
from toy_repository import make_toy_repository


@pytest.fixture
def toy_bundle(tmp_path):
    return make_toy_repository(tmp_path / "repository")
