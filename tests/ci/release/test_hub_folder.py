import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from monai.bundle import push_to_hf_hub

from ci.release.hub_folder import hub_folder, with_addresses
from ci.release.pack import pack
from shared.errors import InputError

PROSTATE = Path("bundles/prostate_mri_segmentation_expert_consistency")
HUB = "https://huggingface.co/user/name"


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    return pack(PROSTATE, tmp_path_factory.mktemp("dist"))


class FakeHub:
    """What MONAI calls of `huggingface_hub.HfApi`, up to the upload."""

    def __init__(self):
        self.calls = {}

    def __call__(self, token):
        return self

    def create_repo(self, **options):
        self.calls["create_repo"] = options

    def upload_folder(self, **options):
        self.calls["upload_folder"] = options
        return HUB

    def create_tag(self, **options):
        self.calls["create_tag"] = options


def test_monai_s_push_gets_a_model_card_with_front_matter_and_the_version_as_a_tag(packed, tmp_path, monkeypatch):
    folder, version = hub_folder(packed, "user/name", tmp_path / "hub")
    hub = FakeHub()
    monkeypatch.setattr("monai.bundle.scripts.huggingface_hub", SimpleNamespace(HfApi=hub))
    assert push_to_hf_hub("user/name", PROSTATE.name, str(tmp_path / "hub"), version=version) == HUB
    assert hub.calls["upload_folder"] == {"repo_id": "user/name", "folder_path": str(folder)}
    assert hub.calls["create_tag"]["tag"] == "0.1.0"
    card = (folder / "README.md").read_text()
    assert card.startswith("---\ntags:\n- monai\n- medical\nlibrary_name: monai\nlicense: apache-2.0\n---\n# ")
    assert f"]({HUB}/blob/0.1.0/docs/paper.md)" in card
    assert f"]({HUB}/blob/0.1.0/{PROSTATE.name}_lib/losses/expert_consistency.py)" in card


def test_the_manifest_knows_the_changed_readme(packed, tmp_path):
    folder, _ = hub_folder(packed, "user/name", tmp_path / "hub")
    for name, digest in json.loads((folder / "docs" / "MANIFEST.json").read_text())["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_links_become_addresses_and_others_stay():
    text = "![a](b.png) [c](d.md#e) [f](../lib/g.py) [h](#i) [j](https://k)"
    expected = f"![a]({HUB}/resolve/1/docs/b.png) [c]({HUB}/blob/1/docs/d.md#e) [f]({HUB}/blob/1/lib/g.py)"
    assert with_addresses(text, HUB, "1") == f"{expected} [h](#i) [j](https://k)"


def test_what_cannot_be_pushed_is_refused(packed, tmp_path):
    with pytest.raises(InputError, match="--repo name: expected USER/NAME"):
        hub_folder(packed, "name", tmp_path / "hub")
    with pytest.raises(InputError, match=r"none.zip: no such file"):
        hub_folder(tmp_path / "none.zip", "user/name", tmp_path / "hub")
    hub_folder(packed, "user/name", tmp_path / "hub")
    with pytest.raises(InputError, match="is there already"):
        hub_folder(packed, "user/name", tmp_path / "hub")
