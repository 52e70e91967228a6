import ast
import hashlib
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
import torch
from monai.apps.utils import HashCheckError
from monai.bundle import download_large_files
from toy_repository import make_toy_repository

from ci.release.library_configs import HOOK_EXPRESSION
from ci.release.pack import main, pack
from shared.errors import InputError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def toy_bundle(tmp_path):
    return make_toy_repository(tmp_path / "repository")


def unpacked(bundle, tmp_path, **options):
    """Pack, and return {path below the bundle's folder: content}."""
    with zipfile.ZipFile(pack(bundle, tmp_path / "dist", **options)) as archive:
        return {name.removeprefix(f"{bundle.name}/"): archive.read(name) for name in archive.namelist()}


def packed_json(bundle, tmp_path, name):
    return json.loads(unpacked(bundle, tmp_path)[name])


def change_config(bundle, name, **changes):
    path = bundle / "configs" / f"{name}.json"
    config = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(config | changes))
    return path


def test_holds_what_the_configs_reach_and_nothing_else(toy_bundle, tmp_path):
    """`metrics` is used by nothing; `data` only inside a function; `errors` lies beside the folders."""
    assert sorted(unpacked(toy_bundle, tmp_path)) == [
        "LICENSE",
        "configs/inference.json",
        "configs/metadata.json",
        "configs/train.json",
        "docs/MANIFEST.json",
        "docs/README.md",
        "toy_segmentation_lib/__init__.py",
        "toy_segmentation_lib/data/__init__.py",
        "toy_segmentation_lib/data/arithmetic.py",
        "toy_segmentation_lib/errors.py",
        "toy_segmentation_lib/networks/__init__.py",
        "toy_segmentation_lib/networks/toy_net.py",
        "toy_segmentation_lib/transforms/__init__.py",
        "toy_segmentation_lib/transforms/double.py",
    ]


def test_code_is_copied_byte_for_byte(toy_bundle, tmp_path):
    files = unpacked(toy_bundle, tmp_path)
    for path in (path for path in files if path.endswith(".py") and not path.endswith("__init__.py")):
        source = toy_bundle.parents[1] / path.replace("toy_segmentation_lib", "shared")
        assert files[path] == source.read_bytes()


def test_a_folder_s_init_keeps_the_names_that_are_used(toy_bundle, tmp_path):
    """`Other` is exported by the same folder; `only_typed` is imported for type checkers alone."""
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


def test_the_same_files_give_the_same_bytes_wherever_and_whenever(toy_bundle, tmp_path):
    first = pack(toy_bundle, tmp_path / "first")
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(toy_bundle.parents[1], elsewhere)
    for path in elsewhere.rglob("*"):
        os.utime(path, (1e9, 1e9))
        path.chmod(0o700)
    mask = os.umask(0o077)
    try:
        second = pack(elsewhere / "bundles" / toy_bundle.name, tmp_path / "second")
    finally:
        os.umask(mask)
    assert first.name == second.name == "toy_segmentation_v0.1.0.zip"
    assert first.read_bytes() == second.read_bytes()


def test_entries_are_sorted_dated_1980_and_readable_by_all(toy_bundle, tmp_path):
    with zipfile.ZipFile(pack(toy_bundle, tmp_path)) as archive:
        entries = archive.infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}


def test_shared_components_come_from_the_bundle_and_require_the_hook(toy_bundle, tmp_path):
    change_config(toy_bundle, "inference", seed={"_target_": "shared.data.twice", "number": 2, "_requires_": "@device"})
    config = packed_json(toy_bundle, tmp_path, "configs/inference.json")
    assert config["imports"] == ["$import torch", "$import os", "$import sys"]
    assert config["add_bundle_to_path"] == "$sys.path.insert(0, os.path.abspath(@bundle_root))"
    assert config["network_def"] == {
        "_target_": "toy_segmentation_lib.networks.ToyNet",
        "_requires_": ["@add_bundle_to_path"],
    }
    assert config["preprocessing"]["transforms"][0]["_requires_"] == ["@add_bundle_to_path"]
    assert config["seed"]["_requires_"] == ["@add_bundle_to_path", "@device"]
    assert "_requires_" not in config["evaluator"]


def test_the_hook_is_no_import_statement_to_monai():
    assert "import" not in HOOK_EXPRESSION


def test_an_overlay_with_shared_code_brings_the_hook(toy_bundle, tmp_path):
    change_config(toy_bundle, "evaluate", score={"_target_": "shared.data.twice", "number": 2})
    config = packed_json(toy_bundle, tmp_path, "configs/evaluate.json")
    assert config["+imports"] == ["$import os", "$import sys"]
    assert config["add_bundle_to_path"] == HOOK_EXPRESSION


def test_an_overlay_that_replaces_the_imports_keeps_those_of_the_hook(toy_bundle, tmp_path):
    change_config(toy_bundle, "evaluate", imports=["$import glob"])
    config = packed_json(toy_bundle, tmp_path, "configs/evaluate.json")
    assert config == {"imports": ["$import glob", "$import os", "$import sys"]}


def test_an_overlay_of_plain_values_stays_as_it_is(toy_bundle, tmp_path):
    path = toy_bundle / "configs" / "resume.json"
    path.write_text('{"resume":   true}')
    assert unpacked(toy_bundle, tmp_path)["configs/resume.json"] == path.read_bytes()


def test_a_bundle_without_shared_code_has_no_code_and_no_hook(toy_bundle, tmp_path):
    for name in ("train", "inference"):
        (toy_bundle / "configs" / f"{name}.json").write_text('{"bundle_root": ".", "imports": []}')
    files = unpacked(toy_bundle, tmp_path)
    assert not [path for path in files if path.endswith(".py")]
    assert files["configs/train.json"] == b'{"bundle_root": ".", "imports": []}'


def test_links_to_the_code_lead_into_the_zip(toy_bundle, tmp_path):
    files = unpacked(toy_bundle, tmp_path)
    assert files["docs/README.md"] == b"Uses [the network](../toy_segmentation_lib/networks/toy_net.py).\n"


def test_a_link_to_what_is_not_packed_becomes_plain_text(toy_bundle, tmp_path):
    text = "[a](../../../shared/metrics/heavy.py), [b](../../../shared/networks) and [c](../../../shared/errors.py#L3)"
    (toy_bundle / "docs" / "README.md").write_text(text)
    readme = unpacked(toy_bundle, tmp_path)["docs/README.md"].decode()
    assert readme == "a, [b](../toy_segmentation_lib/networks) and [c](../toy_segmentation_lib/errors.py)"


def test_manifest_lists_hashes_code_targets_and_expressions(toy_bundle, tmp_path):
    files = unpacked(toy_bundle, tmp_path)
    listed = json.loads(files.pop("docs/MANIFEST.json"))
    assert listed["files"] == {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    assert listed["modules"] == [path for path in sorted(files) if path.endswith(".py")]
    assert (listed["name"], listed["version"]) == ("toy_segmentation", "0.1.0")
    assert listed["custom_targets"] == [
        "toy_segmentation_lib.networks.ToyNet",
        "toy_segmentation_lib.transforms.Doubled",
    ]
    assert listed["expressions"] == [
        "$@evaluator.run()",
        "$@network_def.parameters()",
        "$@train::trainer.run()",
        "$[{'image': torch.ones(1, 8, 8), 'label': torch.ones(3, 8, 8)}]",
        "$[{'image': torch.ones(1, 8, 8)}]",
        "$import os",
        "$import sys",
        "$import torch",
        "$sys.path.insert(0, os.path.abspath(@bundle_root))",
    ]


def test_weights_that_the_repository_holds_are_packed_and_those_of_a_training_are_not(toy_bundle, tmp_path):
    repository, weights = toy_bundle.parents[1], toy_bundle / "models" / "painted.pt"
    subprocess.run(["git", "init", "--quiet", repository], check=True)
    (repository / ".gitignore").write_text("bundles/*/models/*\n!bundles/*/models/painted.pt\n")
    weights.parent.mkdir()
    for path in (weights, weights.with_name("model.pt"), weights.parent / "finetuned" / "model.pt"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(path.name.encode())
    subprocess.run(["git", "-C", repository, "add", "bundles"], check=True)
    files = unpacked(toy_bundle, tmp_path)
    assert [path for path in files if path.startswith("models/")] == ["models/painted.pt"]
    assert files["models/painted.pt"] == b"painted.pt"


def test_what_runs_leave_and_git_ignores_stays_out(toy_bundle, tmp_path):
    before = sorted(unpacked(toy_bundle, tmp_path))
    subprocess.run(["git", "init", "--quiet", toy_bundle.parents[1]], check=True)
    (toy_bundle.parents[1] / ".gitignore").write_text("*.nii.gz\n")
    for path in ("models/model.pt", "eval/table.csv", "docs/case.nii.gz", "configs/.train.json.swp", "notes.txt"):
        (toy_bundle / path).parent.mkdir(exist_ok=True)
        (toy_bundle / path).write_text("left behind")
    (toy_bundle.parents[1] / "shared" / "networks" / "__pycache__").mkdir()
    (toy_bundle.parents[1] / "shared" / "networks" / "test_toy_net.py").write_text("")
    assert sorted(unpacked(toy_bundle, tmp_path)) == before


def test_no_path_of_this_machine_is_inside(toy_bundle, tmp_path):
    torch.save(make_network().state_dict(), tmp_path / "model.pt")
    change_config(toy_bundle, "inference", network_def={"_target_": "torch.nn.Conv2d", **CONV})
    for content in unpacked(toy_bundle, tmp_path, weights=tmp_path / "model.pt").values():
        assert not any(str(path).encode() in content for path in (tmp_path, Path.home(), ROOT) if path != Path("/"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("dataset_dir", "/data/BraTS"),
        ("dataset_dir", "~/BraTS"),
        ("dataset_dir", "C:\\BraTS"),
        ("dataset_dir", "\\\\server\\BraTS"),
        ("dataset_dir", "file:///data/BraTS"),
        ("ckpt_path", "$'%s' % '/models'"),
        ("ckpt_path", "$'/models/' + @device"),
        ("ckpt_path", "$os.path.join('/models', @device)"),
    ],
)
def test_an_absolute_path_is_refused(toy_bundle, tmp_path, key, value):
    path = change_config(toy_bundle, "train", **{key: value})
    with pytest.raises(InputError) as caught:
        pack(toy_bundle, tmp_path)
    assert str(caught.value).startswith(f"{path}: {key}: {value!r} holds an absolute path")


@pytest.mark.parametrize("value", ["$@bundle_root + '/models'", "$f'{@bundle_root}/models'", "a/b", "$1 / 2"])
def test_a_relative_path_is_not(toy_bundle, tmp_path, value):
    change_config(toy_bundle, "train", ckpt_dir=value)
    assert pack(toy_bundle, tmp_path).exists()


def test_shared_in_an_expression_is_refused(toy_bundle, tmp_path):
    change_config(toy_bundle, "train", imports=["$from shared.data import twice"])
    with pytest.raises(InputError, match=r"imports::0: '\$from shared.data import twice' reaches shared code"):
        pack(toy_bundle, tmp_path)


@pytest.mark.parametrize("line", ["import shared.data", "import os, shared.data", "from shared.data import twice"])
def test_an_absolute_import_of_shared_is_refused(toy_bundle, tmp_path, line):
    (toy_bundle.parents[1] / "shared" / "networks" / "toy_net.py").write_text(f"x = 1\n{line}\n")
    with pytest.raises(InputError, match=r"toy_net.py: line 2 imports shared by its full name"):
        pack(toy_bundle, tmp_path)


def test_a_module_that_is_imported_from_its_folder_comes_along(toy_bundle, tmp_path):
    folder = toy_bundle.parents[1] / "shared" / "networks"
    (folder / "alone.py").write_text("x = 1\n")
    (folder / "toy_net.py").write_text(f"from . import alone\n{(folder / 'toy_net.py').read_text()}")
    with zipfile.ZipFile(pack(toy_bundle, tmp_path)) as archive:
        assert f"{toy_bundle.name}/{toy_bundle.name}_lib/networks/alone.py" in archive.namelist()


def test_a_target_in_no_module_is_refused(toy_bundle, tmp_path):
    change_config(toy_bundle, "train", loss={"_target_": "shared.losses.Nothing"})
    with pytest.raises(InputError, match=r"shared.losses.Nothing: no such module"):
        pack(toy_bundle, tmp_path)


CONV = {"in_channels": 1, "out_channels": 2, "kernel_size": 1}


def make_network(**changes):
    return torch.nn.Conv2d(**CONV | changes)


def test_weights_that_fit_become_the_model(toy_bundle, tmp_path):
    change_config(toy_bundle, "inference", network_def={"_target_": "torch.nn.Conv2d", **CONV})
    torch.save(make_network().state_dict(), tmp_path / "trained.pt")
    files = unpacked(toy_bundle, tmp_path, weights=tmp_path / "trained.pt")
    assert files["models/model.pt"] == (tmp_path / "trained.pt").read_bytes()
    assert "models/model.pt" in json.loads(files["docs/MANIFEST.json"])["files"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (make_network(out_channels=3).state_dict(), "does not fit network_def of toy_segmentation: .*size mismatch"),
        ({"model": make_network().state_dict()}, "does not fit network_def of toy_segmentation: .*Missing key"),
        ([1, 2], "does not fit network_def of toy_segmentation: .*state_dict to be dict-like"),
        (make_network(), "not a file of plain tensors"),
    ],
)
def test_other_weights_are_refused_in_one_line(toy_bundle, tmp_path, content, reason):
    change_config(toy_bundle, "inference", network_def={"_target_": "torch.nn.Conv2d", **CONV})
    torch.save(content, tmp_path / "trained.pt")
    with pytest.raises(InputError, match=rf"trained.pt: {reason}") as caught:
        pack(toy_bundle, tmp_path, weights=tmp_path / "trained.pt")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*.zip"))


def test_truncated_and_missing_weights_are_refused(toy_bundle, tmp_path):
    torch.save(make_network().state_dict(), tmp_path / "trained.pt")
    for content in ((tmp_path / "trained.pt").read_bytes()[:100], b"a page"):
        (tmp_path / "cut.pt").write_bytes(content)
        with pytest.raises(InputError, match=r"cut.pt: not a file of plain tensors"):
            pack(toy_bundle, tmp_path, weights=tmp_path / "cut.pt")
    with pytest.raises(InputError, match=r"none.pt: no such file"):
        pack(toy_bundle, tmp_path, weights=tmp_path / "none.pt")


def test_no_bundle_and_none_named_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"bundles/nowhere: not a bundle, it has no configs/metadata\.json\.$"):
        main("bundles/nowhere", out=str(tmp_path))
    with pytest.raises(InputError, match=r"^nothing to pack; name a folder \(bundles/<name>\) or say --all\.$"):
        main(out=str(tmp_path))


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


def test_the_command_stands_at_the_top_without_monai():
    """Packing without weights starts at once: MONAI is imported only where weights are checked."""
    tree = ast.parse((ROOT / "ci" / "release" / "pack.py").read_text())
    names = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert not {name for name in names if name.split(".")[0] in {"monai", "torch"}}


def test_listed_weights_are_fetched_by_monai_and_checked(toy_bundle, tmp_path):
    """From a `file:` address, since a test has no network; another file is refused by its hash."""
    change_config(toy_bundle, "inference", network_def={"_target_": "torch.nn.Conv2d", **CONV})
    torch.save(make_network().state_dict(), tmp_path / "model.pt")
    path = pack(toy_bundle, tmp_path, weights=tmp_path / "model.pt", large_files=f"file://{tmp_path}/")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / toy_bundle.name
    assert not (folder / "models").exists()
    assert "large_files.json" in json.loads((folder / "docs" / "MANIFEST.json").read_text())["files"]
    download_large_files(bundle_path=str(folder))
    assert (folder / "models" / "model.pt").read_bytes() == (tmp_path / "model.pt").read_bytes()
    (folder / "models" / "model.pt").unlink()
    (tmp_path / "model.pt").write_text("another")
    with pytest.raises(HashCheckError, match="sha256 hash check"):
        download_large_files(bundle_path=str(folder))


def test_weights_that_are_not_there_cannot_be_listed(toy_bundle, tmp_path):
    with pytest.raises(InputError, match="has no weights to list; name them with --weights"):
        pack(toy_bundle, tmp_path, large_files="https://example.org")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"large_files": "True"}, "--large_files True: expected the https address of a folder"),
        ({"parts": "shared.losses.Total"}, "give parts and name, no bundle"),
    ],
)
def test_options_that_do_not_go_together_are_refused(toy_bundle, tmp_path, options, line):
    with pytest.raises(InputError, match=line):
        main(str(toy_bundle), out=str(tmp_path), **options)
