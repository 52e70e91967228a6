import pytest
from toy_repository import make_toy_repository


@pytest.fixture
def toy_bundle(tmp_path):
    return make_toy_repository(tmp_path / "repository")


@pytest.fixture
def toy(tmp_path):
    """The root of a toy repository that has tests and pins, to pack parts of."""
    root = make_toy_repository(tmp_path / "repository").parents[1]
    (root / "LICENSE").write_text("Apache-2.0\n")
    (root / "requirements.txt").write_text("torch==2.13.0\nmonai==1.6.1  # why\npytest==9.2.0\nscipy==1.17.1\n")
    for folder in ("networks", "metrics"):
        (root / "tests" / folder).mkdir(parents=True)
    (root / "tests" / "metrics" / "forked_python.py").write_text("class ForkedPython:\n    pass\n")
    (root / "tests" / "conftest.py").write_text("def write_case():\n    pass\n")
    (root / "tests" / "networks" / "plain.py").write_text("def double(number):\n    return 2 * number\n")
    (root / "tests" / "metrics" / "test_heavy.py").write_text("from shared.metrics import Heavy\n")
    return root
