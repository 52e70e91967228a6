"""Parts of `shared/` become a package that pip installs."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from zip_contents import unpacked_parts

from ci.release.pack_parts import pack_parts
from shared.errors import InputError

ROOT = Path(__file__).parents[3]


def test_holds_the_parts_what_they_import_and_their_tests(toy, tmp_path):
    test = "from plain import double\nfrom shared.networks import ToyNet\n\n\ndef test_it():\n    double(ToyNet)\n"
    (toy / "tests" / "networks" / "test_toy_net.py").write_text(test)
    assert sorted(unpacked_parts(toy, tmp_path, "shared.networks.ToyNet")) == [
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


def test_what_a_packed_module_defines_is_exported_as_in_the_repository(toy, tmp_path):
    """`once` and `TWO` are not asked for, but they are there; `Other` is defined by a module that is not packed."""
    (toy / "shared" / "data" / "arithmetic.py").write_text(
        "TWO: int = 2\n\n\ndef twice(x):\n    return TWO * x\n\n\ndef once(x):\n    return x\n"
    )
    (toy / "shared" / "data" / "other.py").write_text("class Other:\n    pass\n")
    (toy / "shared" / "data" / "__init__.py").write_text(
        "from .arithmetic import TWO, once, twice\nfrom .other import Other\n"
    )
    init = unpacked_parts(toy, tmp_path, "shared.data.twice")["my_parts/data/__init__.py"]
    assert init == 'from .arithmetic import TWO, once, twice\n\n__all__ = ["TWO", "once", "twice"]\n'


def test_requirements_are_the_pins_as_minima_also_of_what_monai_imports(toy, tmp_path):
    code = "from monai.metrics import compute_surface_dice\nimport math\n\n\nclass Surface:\n    pass\n"
    (toy / "shared" / "data" / "surface.py").write_text(code)
    (toy / "shared" / "data" / "__init__.py").write_text("from .surface import Surface\n")
    project = unpacked_parts(toy, tmp_path, "shared.data.Surface")["pyproject.toml"]
    assert 'dependencies = ["monai>=1.6.1", "scipy>=1.17.1"]' in project


def test_a_package_that_nobody_has_is_named(toy, tmp_path):
    with pytest.raises(InputError, match=r"metrics/heavy.py imports a_package_that_nobody_has, which is not installed"):
        unpacked_parts(toy, tmp_path, "shared.metrics.Heavy")


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
        unpacked_parts(toy, tmp_path, *parts, **options)
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
