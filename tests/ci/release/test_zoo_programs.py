import json
import zipfile
from pathlib import Path

import pytest
import torch

from ci.release import zoo_programs
from ci.release.pack import pack
from ci.release.zoo_programs import TRACED, by_verify_bundle, code, torchscript

PROSTATE = Path("bundles/prostate_mri_segmentation_expert_consistency")

FAKE = """
import argparse, json, pathlib, sys
parser = argparse.ArgumentParser()
for name in "bpm":
    parser.add_argument(f"-{name}")
given = parser.parse_args()
bundle = pathlib.Path(given.p, given.b)
print("a line that is no error")
used = json.loads(pathlib.Path(given.p, "model_info.json").read_text())
if given.b + "_v0.1.0" in used:
    raise ValueError("version number: 0.1.0 is already used\\n  and more")
found = [(bundle / name).is_file() for name in ("LICENSE", "models/model.pt", "eval/schema.json")]
sys.exit("stopped without an error" if given.m == "full" else 0 if all(found) else 3)
"""


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    return pack(PROSTATE, tmp_path_factory.mktemp("dist"))


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "zoo" / "ci" / "verify_bundle.py"
    path.parent.mkdir(parents=True)
    path.write_text(FAKE)
    return path


def write_network(monkeypatch, tmp_path, readme):
    class Unscriptable(torch.nn.Module):
        def forward(self, image, **options):
            return image

    monkeypatch.setattr(zoo_programs, "network_of", lambda folder: Unscriptable())
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "README.md").write_text(readme)


def test_the_script_of_the_zoo_finds_all_that_it_reads_and_its_last_error_is_told(packed, script, monkeypatch):
    monkeypatch.setattr(zoo_programs, "network_of", lambda folder: torch.nn.Linear(1, 1))
    assert by_verify_bundle(packed, script, "min") == "ok, with random weights"
    assert by_verify_bundle(packed, script, "full") == "stopped without an error"
    models = script.parents[1] / "models"
    models.mkdir()
    (models / "model_info.json").write_text(json.dumps({f"{PROSTATE.name}_v0.1.0": {}}))
    assert by_verify_bundle(packed, script, "min") == "ValueError: version number: 0.1.0 is already used and more"


def test_weights_of_the_zip_and_those_that_are_downloaded_are_not_replaced(packed, script, tmp_path):
    for name, text in {
        "models/model.pt": "weights",
        "large_files.json": '{"large_files": [{"path": "models/model.pt"}]}',
    }.items():
        path = tmp_path / name[:6] / packed.name
        path.parent.mkdir()
        path.write_bytes(packed.read_bytes())
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(f"{PROSTATE.name}/{name}", text)
        outcome = by_verify_bundle(path, script, "min")
        assert outcome == ("ok" if name == "models/model.pt" else "status 3"), "the script downloads, and finds no file"


def test_code_that_flake8_isort_or_black_would_change_is_named(tmp_path):
    (tmp_path / "good.py").write_text('import os\n\n__all__ = ["path"]\n\npath = os.sep\n')
    assert list(code(tmp_path)) == []
    (tmp_path / "comma.py").write_text("pair = [\n    1,\n    2,\n]\n")
    (tmp_path / "order.py").write_text("import sys\nimport os\n\nprint(os, sys)\n")
    (tmp_path / "unused.py").write_text("import os\n")
    found = list(code(tmp_path))
    assert [line.split(":")[0] for line in found] == ["order.py", "unused.py", "comma.py"]
    assert "F401" in found[1]
    assert "would be reformatted" in found[2]


@pytest.mark.parametrize(
    ("readme", "expected"), [("--use_trace True", TRACED), ("", "cannot be scripted, and docs/README.md")]
)
def test_a_network_that_cannot_be_scripted_needs_a_word_in_the_readme(monkeypatch, tmp_path, readme, expected):
    write_network(monkeypatch, tmp_path, readme)
    (found,) = torchscript(tmp_path)
    assert found.startswith(expected)
