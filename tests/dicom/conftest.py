import pytest
from study_files import write_prostate_study


@pytest.fixture
def study(tmp_path):
    return write_prostate_study(tmp_path)
