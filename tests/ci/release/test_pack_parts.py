import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from toy_repository import make_toy_repository

from ci.release.pack_parts import pack_parts
from shared.errors import InputError

ROOT = Path(__file__).parents[3]
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
NET = '''"""Net."""
SIZE = (3, 3)


class Net:
    """Small. Tiny.

    After Doe et al., "Nets of a Certain Size" (2020).
    """

    def __init__(self, width: int, size: tuple = SIZE):
        pass
'''


@pytest.fixture
def toy(tmp_path):
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


def unpacked(root, tmp_path, *parts, **options):
    """Pack, and return {path below the package's folder: text}."""
    path = pack_parts(root, parts, **{"name": "my_parts", "version": "0.1.0", "out": tmp_path / "dist", **options})
    with zipfile.ZipFile(path) as archive:
        return {name.removeprefix("my_parts-0.1.0/"): archive.read(name).decode() for name in archive.namelist()}


def test_holds_the_parts_what_they_import_and_their_tests(toy, tmp_path):
    (toy / "tests" / "networks" / "test_toy_net.py").write_text(TESTS)
    assert sorted(unpacked(toy, tmp_path, "shared.networks.ToyNet")) == [
        "LICENSE",
        "README.md",
        "my_parts/__init__.py",
        "my_parts/errors/__init__.py",
        "my_parts/errors/input_error.py",
        "my_parts/networks/__init__.py",
        "my_parts/networks/toy_net.py",
        "pyproject.toml",
        "tests/networks/plain.py",
        "tests/networks/test_toy_net.py",
    ]


def test_a_test_that_needs_more_is_taken_out_and_the_others_import_the_package(toy, tmp_path):
    """By a module, a command, a fixture or a path of the repository; the words "shared" and "tests" are no paths."""
    (toy / "tests" / "networks" / "test_toy_net.py").write_text(TESTS)
    files = unpacked(toy, tmp_path, "shared.networks.ToyNet")
    assert files["tests/networks/test_toy_net.py"] == LEFT


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
    assert not [path for path in unpacked(toy, tmp_path, "shared.networks.ToyNet") if path.startswith("tests/")]


def test_a_helper_that_imports_what_is_packed_comes_with_its_tests_and_imports_the_package(toy, tmp_path):
    (toy / "tests" / "networks" / "plain.py").write_text("from shared.networks import ToyNet as double\n")
    alone = WITH_HELPER.replace("from shared.networks import ToyNet\n\n\n", "\n").replace("(ToyNet)", "()")
    (toy / "tests" / "networks" / "test_toy_net.py").write_text(WITH_HELPER)
    (toy / "tests" / "networks" / "test_by_helper_alone.py").write_text(alone)
    files = unpacked(toy, tmp_path, "shared.networks.ToyNet")
    assert files["tests/networks/test_toy_net.py"] == WITH_HELPER.replace("shared.", "my_parts.")
    assert files["tests/networks/test_by_helper_alone.py"] == alone
    assert files["tests/networks/plain.py"] == "from my_parts.networks import ToyNet as double\n"


def test_what_a_packed_module_defines_is_exported_as_in_the_repository(toy, tmp_path):
    """`once` and `TWO` are not asked for, but they are there; `Other` is defined by a module that is not packed."""
    (toy / "shared" / "data" / "arithmetic.py").write_text(
        "TWO: int = 2\n\n\ndef twice(x):\n    return TWO * x\n\n\ndef once(x):\n    return x\n"
    )
    (toy / "shared" / "data" / "other.py").write_text("class Other:\n    pass\n")
    (toy / "shared" / "data" / "__init__.py").write_text(
        "from .arithmetic import TWO, once, twice\nfrom .other import Other\n"
    )
    init = unpacked(toy, tmp_path, "shared.data.twice")["my_parts/data/__init__.py"]
    assert init == 'from .arithmetic import TWO, once, twice\n\n__all__ = ["TWO", "once", "twice"]\n'


def test_requirements_are_the_pins_as_minima_also_of_what_monai_imports(toy, tmp_path):
    code = "from monai.metrics import compute_surface_dice\nimport math\n\n\nclass Surface:\n    pass\n"
    (toy / "shared" / "data" / "surface.py").write_text(code)
    (toy / "shared" / "data" / "__init__.py").write_text("from .surface import Surface\n")
    project = unpacked(toy, tmp_path, "shared.data.Surface")["pyproject.toml"]
    assert 'dependencies = ["monai>=1.6.1", "scipy>=1.17.1"]' in project


def test_a_package_that_nobody_has_is_named(toy, tmp_path):
    with pytest.raises(InputError, match=r"metrics/heavy.py imports a_package_that_nobody_has, which is not installed"):
        unpacked(toy, tmp_path, "shared.metrics.Heavy")


def test_the_readme_shows_how_to_use_each_part_and_what_to_cite(toy, tmp_path):
    (toy / "shared" / "networks" / "net.py").write_text(NET)
    (toy / "shared" / "networks" / "__init__.py").write_text("from .net import Net\n")
    metadata = toy / "bundles" / "toy_segmentation" / "configs" / "metadata.json"
    metadata.write_text('{"references": ["Doe: Nets of a Certain Size, 2020", "Roe: Other, 2021"]}')
    readme = unpacked(toy, tmp_path, "shared.networks.Net")["README.md"]
    assert "from my_parts.networks import Net  # Net(width, size=(3, 3))\n" in readme
    assert "`Net`: Small. Tiny.\n" in readme
    assert "- Doe: Nets of a Certain Size, 2020\n" in readme
    assert '- `Net`: After Doe et al., "Nets of a Certain Size" (2020).\n' in readme
    assert "Roe" not in readme


def test_the_same_files_give_the_same_bytes(toy, tmp_path):
    paths = [pack_parts(toy, ["shared.networks.ToyNet"], "my_parts", "0.1.0", tmp_path / out) for out in ("a", "b")]
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize(
    ("parts", "options", "line"),
    [
        ([], {}, "--parts: name at least one part, such as shared.losses.ParetoFuzzyLoss."),
        (["shared.networks.ToyNets"], {}, "no such part; did you mean shared.networks.ToyNet?"),
        (["shared.networks.toy_net.Nothing"], {}, "no such part; "),
        (["ToyNet"], {}, "--parts ToyNet: no such part; "),
        (["shared.networks.ToyNet"], {"name": "My-Parts"}, "--name My-Parts: expected small letters"),
        (["shared.networks.ToyNet"], {"name": "torch"}, "--name torch: there is a package of this name"),
        (["shared.networks.ToyNet"], {"name": "json"}, "--name json: there is a package of this name"),
        (["shared.networks.ToyNet"], {"version": "new"}, "--version new: expected numbers with points"),
    ],
)
def test_a_wrong_option_is_one_line(toy, tmp_path, parts, options, line):
    with pytest.raises(InputError) as caught:
        unpacked(toy, tmp_path, *parts, **options)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pip_installs_it_and_its_tests_pass_elsewhere(tmp_path, forked_python):
    path = pack_parts(ROOT, ["shared.losses.FocalCrossEntropyLoss"], "my_parts", "0.1.0", tmp_path)
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--no-compile"]
    subprocess.run([sys.executable, *install, "--target", tmp_path / "site", path], check=True, cwd=tmp_path)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / "my_parts-0.1.0"
    (folder / "my_parts").rename(folder / "away")  # so that the installed one is imported
    ended = forked_python.run(
        ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"], folder=folder, on_path=str(tmp_path / "site")
    )
    assert ended.status == 0, ended.output
    assert "passed" in ended.output
