"""A packed bundle is a zip of all that it needs, the same bytes each time, and a manifest of it."""

import ast
import hashlib
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from zip_contents import unpacked

from ci.release.pack import main, pack
from shared.errors import InputError

ROOT = Path(__file__).parents[3]


def test_the_zip_holds_what_the_configs_reach_and_nothing_else(toy_bundle, tmp_path):
    """`metrics` is used by nothing; `data` only inside a function; of `errors` one module."""
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
        "toy_segmentation_lib/errors/__init__.py",
        "toy_segmentation_lib/errors/input_error.py",
        "toy_segmentation_lib/networks/__init__.py",
        "toy_segmentation_lib/networks/toy_net.py",
        "toy_segmentation_lib/transforms/__init__.py",
        "toy_segmentation_lib/transforms/double.py",
    ]


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


def test_the_manifest_lists_hashes_code_targets_and_expressions(toy_bundle, tmp_path):
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


def test_links_to_the_code_lead_into_the_zip(toy_bundle, tmp_path):
    files = unpacked(toy_bundle, tmp_path)
    assert files["docs/README.md"] == b"Uses [the network](../toy_segmentation_lib/networks/toy_net.py).\n"


def test_a_link_to_what_is_not_packed_becomes_plain_text(toy_bundle, tmp_path):
    text = "[a](../../../shared/metrics/heavy.py), [b](../../../shared/networks) and [c](../../../shared/errors#L3)"
    (toy_bundle / "docs" / "README.md").write_text(text)
    readme = unpacked(toy_bundle, tmp_path)["docs/README.md"].decode()
    assert readme == "a, [b](../toy_segmentation_lib/networks) and [c](../toy_segmentation_lib/errors)"


def test_no_bundle_and_none_named_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"bundles/nowhere: not a bundle, it has no configs/metadata\.json\.$"):
        main("bundles/nowhere", out=str(tmp_path))
    with pytest.raises(InputError, match=r"^nothing to pack; name a folder \(bundles/<name>\) or say --all\.$"):
        main(out=str(tmp_path))


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


def test_the_command_imports_monai_only_where_weights_are_checked():
    """So packing without weights starts at once."""
    tree = ast.parse((ROOT / "ci" / "release" / "pack.py").read_text())
    names = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert not {name for name in names if name.split(".")[0] in {"monai", "torch"}}
