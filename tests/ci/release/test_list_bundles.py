import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from ci.release.list_bundles import bundle_entry, main, release_notes
from ci.release.pack import pack
from shared.errors import InputError

BREAST = Path("bundles/breast_ultrasound_segmentation_interaction")
PROSTATE = Path("bundles/prostate_mri_segmentation_expert_consistency")


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    return pack(PROSTATE, tmp_path_factory.mktemp("dist"))


def test_an_entry_says_what_goes_in_what_comes_out_and_with_which_hashes(packed):
    entry = bundle_entry(packed)
    assert (entry["name"], entry["version"]) == (PROSTATE.name, "0.1.0")
    assert entry["modalities"] == entry["inputs"]["image"]["channels"] == ["t2", "adc"]
    assert entry["outputs"]["pred"]["num_channels"] == 3
    assert entry["sha256"] == hashlib.sha256(packed.read_bytes()).hexdigest()
    assert entry["weights"] == {}


def test_scores_and_included_weights_are_listed(tmp_path):
    entry = bundle_entry(pack(BREAST, tmp_path))
    assert entry["scores"] == json.loads((BREAST / "configs" / "metadata.json").read_text())["eval_metrics"]
    digest = hashlib.sha256((BREAST / "models" / "model.pt").read_bytes()).hexdigest()
    assert entry["weights"] == {"models/model.pt": digest}
    elsewhere = bundle_entry(pack(BREAST, tmp_path / "elsewhere", large_files="https://example.org/weights/"))
    assert elsewhere["weights"] == entry["weights"]


def test_both_files_are_written_next_to_the_zips(packed, capsys):
    folder = packed.parent
    main(str(folder))
    assert [entry["name"] for entry in json.loads((folder / "bundles.json").read_text())] == [PROSTATE.name]
    assert (folder / "release_notes.md").read_text().startswith("# Release notes\n\n## Prostate")
    assert capsys.readouterr().out.split() == [str(folder / name) for name in ("bundles.json", "release_notes.md")]


def test_the_newest_version_comes_first():
    bundle = {"title": "T", "name": "t", "zip": "t.zip", "changelog": {"0.1.0": "first", "0.2.0": "second"}}
    assert release_notes([bundle]).endswith("- **0.2.0**: second\n- **0.1.0**: first\n")


def test_a_zip_without_metadata_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a_v0.1.0.zip", "w") as archive:
        archive.writestr("a/LICENSE", "")
    with pytest.raises(InputError, match=r"a_v0.1.0.zip: not a packed bundle"):
        bundle_entry(tmp_path / "a_v0.1.0.zip")
