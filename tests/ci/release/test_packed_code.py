"""Which modules of `shared/` a packed bundle gets, and what is left of each folder's `__init__`."""

import zipfile

import pytest
from toy_repository import make_toy_repository
from zip_contents import change_config, unpacked

from ci.release.pack import pack
from shared.errors import InputError


def test_code_is_copied_byte_for_byte(toy_bundle, tmp_path):
    files = unpacked(toy_bundle, tmp_path)
    for path in (path for path in files if path.endswith(".py") and not path.endswith("__init__.py")):
        source = toy_bundle.parents[1] / path.replace("toy_segmentation_lib", "shared")
        assert files[path] == source.read_bytes()


def test_a_folder_s_init_keeps_the_names_that_are_used(toy_bundle, tmp_path):
    """`Other` is exported by the same folder; `Heavy` is imported for type checkers alone."""
    folder = toy_bundle.parents[1] / "shared" / "networks"
    (folder / "other.py").write_text("class Other:\n    pass\n")
    (folder / "__init__.py").write_text(
        '"""Networks."""\n\nfrom .other import Other\nfrom .toy_net import ToyNet\n\n__all__ = ["Other", "ToyNet"]\n'
    )
    typed = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..metrics import Heavy\n"
    (folder / "toy_net.py").write_text(typed + (folder / "toy_net.py").read_text())
    files = unpacked(toy_bundle, tmp_path)
    library = "toy_segmentation_lib"
    expected = b'"""Networks."""\n\nfrom .toy_net import ToyNet\n\n__all__ = ["ToyNet"]\n'
    assert files[f"{library}/networks/__init__.py"] == expected
    assert f"{library}/networks/other.py" not in files
    assert not [path for path in files if "metrics" in path]


def test_a_function_that_is_named_like_its_module_stays_the_function(toy_bundle, tmp_path):
    shared = toy_bundle.parents[1] / "shared"
    (shared / "data" / "twice.py").write_text("def twice(number):\n    return 2 * number\n")
    (shared / "data" / "__init__.py").write_text("from .twice import twice\n")
    files = unpacked(toy_bundle, tmp_path)
    assert "from .twice import twice" in files["toy_segmentation_lib/data/__init__.py"].decode()
    assert "toy_segmentation_lib/data/twice.py" in files


def test_an_init_that_does_more_than_export_is_refused(toy_bundle, tmp_path):
    init = toy_bundle.parents[1] / "shared" / "networks" / "__init__.py"
    init.write_text(f"{init.read_text()}print('hello')\n")
    with pytest.raises(InputError, match=r"networks/__init__.py: line 4 is no docstring, import or __all__"):
        pack(toy_bundle, tmp_path)


def test_a_module_that_is_imported_from_its_folder_comes_along(toy_bundle, tmp_path):
    folder = toy_bundle.parents[1] / "shared" / "networks"
    (folder / "alone.py").write_text("x = 1\n")
    (folder / "toy_net.py").write_text(f"from . import alone\n{(folder / 'toy_net.py').read_text()}")
    assert "toy_segmentation_lib/networks/alone.py" in unpacked(toy_bundle, tmp_path)


@pytest.mark.parametrize("line", ["import shared.data", "import os, shared.data", "from shared.data import twice"])
def test_an_absolute_import_of_shared_is_refused(toy_bundle, tmp_path, line):
    (toy_bundle.parents[1] / "shared" / "networks" / "toy_net.py").write_text(f"x = 1\n{line}\n")
    with pytest.raises(InputError, match=r"toy_net.py: line 2 imports shared by its full name"):
        pack(toy_bundle, tmp_path)


def test_a_target_that_no_module_defines_is_refused(toy_bundle, tmp_path):
    change_config(toy_bundle, "train", loss={"_target_": "shared.losses.Nothing"})
    with pytest.raises(InputError, match=r"shared.losses.Nothing: no such module"):
        pack(toy_bundle, tmp_path)


TWO_IN_ONE_PROCESS = """
import sys
from monai.bundle import create_workflow
for root in sys.argv[1:]:
    flow = create_workflow(config_file=root + "/configs/inference.json", workflow_type="infer", bundle_root=root)
    flow.run()
    doubled = flow.evaluator.state.output[0]["image"].unique().item()
    print(type(flow.network_def).__module__, flow.network_def.out_channels, doubled)
"""


def test_two_bundles_in_one_process_get_their_own_code(tmp_path, forked_python):
    """Both have a `networks.ToyNet`, of other widths; under one package name the second would get the first's."""
    roots = []
    for name, width in (("first_segmentation", 3), ("second_segmentation", 5)):
        bundle = make_toy_repository(tmp_path / f"of_{name}", name, width)
        with zipfile.ZipFile(pack(bundle, tmp_path)) as archive:
            archive.extractall(tmp_path / "unpacked")
        roots.append(str(tmp_path / "unpacked" / name))
    ended = forked_python.run(["-c", TWO_IN_ONE_PROCESS, *roots], folder=tmp_path)
    assert ended.status == 0, ended.errors
    assert "first_segmentation_lib.networks.toy_net 3 2.0" in ended.output
    assert "second_segmentation_lib.networks.toy_net 5 2.0" in ended.output
