import pytest
from clean_bundle import Bundle


@pytest.fixture
def bundle(tmp_path):
    return Bundle(tmp_path / "tiny_segmentation")
