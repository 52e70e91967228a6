"""Which tests come along with parts of `shared/` in a package, and how they import the package."""

import pytest
from zip_contents import unpacked_parts

TESTS = """from pathlib import Path

import pytest
from plain import double
from forked_python import ForkedPython

from ci.release.pack import pack
from shared.metrics import Heavy
from shared.networks import ToyNet

WIDTHS = [1, 2]
HEAVY = Heavy


# what stays
@pytest.mark.parametrize("width", WIDTHS)
def test_alone(width):
    assert ToyNet(width).out_channels == double(width) / 2


def test_other_module():
    assert HEAVY


def test_command():
    pack()


def test_module():
    from shared.data import arithmetic

    assert arithmetic


def test_helper_of_another_folder():
    ForkedPython()


def test_fixture(write_case):
    write_case()


def make():
    return open("bundles/toy_segmentation/LICENSE")


@pytest.mark.parametrize("width", WIDTHS)
def test_file_of_the_repository(width):
    assert make()


def test_folder_of_the_repository():
    assert Path("shared", "networks")


def test_name_in_a_text(monkeypatch):
    monkeypatch.setattr("shared.data.arithmetic.twice", None)


def test_message(monkeypatch):
    monkeypatch.setattr("shared.networks.toy_net.torch", None)


def test_words():
    shared = {"shared": "tests"}
    assert Path(*shared.values()) != "shared/specific features"
"""
LEFT = """from pathlib import Path

import pytest
from plain import double

from my_parts.networks import ToyNet

WIDTHS = [1, 2]


# what stays
@pytest.mark.parametrize("width", WIDTHS)
def test_alone(width):
    assert ToyNet(width).out_channels == double(width) / 2


def test_message(monkeypatch):
    monkeypatch.setattr("my_parts.networks.toy_net.torch", None)


def test_words():
    shared = {"shared": "tests"}
    assert Path(*shared.values()) != "shared/specific features"
"""
WITH_HELPER = """from plain import double

from shared.networks import ToyNet


def test_it():
    double(ToyNet)
"""


def test_a_test_that_needs_more_is_taken_out_and_the_others_import_the_package(toy, tmp_path):
    """By a module, a command, a fixture or a path of the repository; the words "shared" and "tests" are no paths."""
    (toy / "tests" / "networks" / "test_toy_net.py").write_text(TESTS)
    files = unpacked_parts(toy, tmp_path, "shared.networks.ToyNet")
    assert files["tests/networks/test_toy_net.py"] == LEFT
    assert {path for path in files if path.startswith("tests/")} == {
        "tests/networks/plain.py",
        "tests/networks/test_toy_net.py",
    }


@pytest.mark.parametrize(
    "helper",
    [
        "from shared.metrics import Heavy as double\n",
        "from ci.release import pack as double\n",
        "from test_heavy import x as double\n",
        "def double(x):\n    from shared.metrics import Heavy\n",
        "def double(x):\n    open('bundles/toy_segmentation/LICENSE')\n",
        "double = __file__\n",
    ],
)
def test_a_helper_that_needs_what_is_not_packed_takes_its_tests_along(toy, tmp_path, helper):
    (toy / "tests" / "networks" / "plain.py").write_text(helper)
    (toy / "tests" / "networks" / "test_toy_net.py").write_text(WITH_HELPER)
    assert not [path for path in unpacked_parts(toy, tmp_path, "shared.networks.ToyNet") if path.startswith("tests/")]


def test_a_helper_that_imports_what_is_packed_comes_with_its_tests_and_imports_the_package(toy, tmp_path):
    (toy / "tests" / "networks" / "plain.py").write_text("from shared.networks import ToyNet as double\n")
    alone = WITH_HELPER.replace("from shared.networks import ToyNet\n\n\n", "\n").replace("(ToyNet)", "()")
    (toy / "tests" / "networks" / "test_toy_net.py").write_text(WITH_HELPER)
    (toy / "tests" / "networks" / "test_by_helper_alone.py").write_text(alone)
    files = unpacked_parts(toy, tmp_path, "shared.networks.ToyNet")
    assert files["tests/networks/test_toy_net.py"] == WITH_HELPER.replace("shared.", "my_parts.")
    assert files["tests/networks/test_by_helper_alone.py"] == alone
    assert files["tests/networks/plain.py"] == "from my_parts.networks import ToyNet as double\n"
