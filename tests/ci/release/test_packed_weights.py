"""The weights in a packed bundle: those that its network loads, packed or listed at an address."""

import json
import subprocess
import zipfile
from pathlib import Path

import pytest
import torch
from monai.apps.utils import HashCheckError
from monai.bundle import download_large_files
from zip_contents import change_config, unpacked

from ci.release.pack import pack
from shared.errors import InputError

ROOT = Path(__file__).parents[3]

CONV = {"in_channels": 1, "out_channels": 2, "kernel_size": 1}


def make_network(**changes):
    return torch.nn.Conv2d(**CONV | changes)


@pytest.fixture
def conv_bundle(toy_bundle):
    change_config(toy_bundle, "inference", network_def={"_target_": "torch.nn.Conv2d", **CONV})
    return toy_bundle


def test_weights_that_fit_become_the_model(conv_bundle, tmp_path):
    torch.save(make_network().state_dict(), tmp_path / "trained.pt")
    files = unpacked(conv_bundle, tmp_path, weights=tmp_path / "trained.pt")
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
def test_other_weights_are_refused_in_one_line(conv_bundle, tmp_path, content, reason):
    torch.save(content, tmp_path / "trained.pt")
    with pytest.raises(InputError, match=rf"trained.pt: {reason}") as caught:
        pack(conv_bundle, tmp_path, weights=tmp_path / "trained.pt")
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


def test_listed_weights_are_fetched_by_monai_and_checked(conv_bundle, tmp_path):
    """From a `file:` address, since a test has no network; another file is refused by its hash."""
    torch.save(make_network().state_dict(), tmp_path / "model.pt")
    path = pack(conv_bundle, tmp_path, weights=tmp_path / "model.pt", large_files=f"file://{tmp_path}/")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / conv_bundle.name
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


def test_no_path_of_this_machine_is_in_the_zip_nor_in_its_weights(conv_bundle, tmp_path):
    torch.save(make_network().state_dict(), tmp_path / "model.pt")
    for content in unpacked(conv_bundle, tmp_path, weights=tmp_path / "model.pt").values():
        assert not any(str(path).encode() in content for path in (tmp_path, Path.home(), ROOT) if path != Path("/"))
