import json
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from toy_repository import make_toy_repository

from ci.release import check_zoo
from ci.release.check_zoo import RULES, check_zip, main
from ci.release.pack import network_of, pack
from ci.release.write_zip import write_zip
from shared.errors import InputError

PROSTATE = Path("bundles/prostate_mri_segmentation_expert_consistency")


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    return pack(PROSTATE, tmp_path_factory.mktemp("dist"))


@pytest.fixture
def changed(packed, tmp_path):
    """Give a function that changes the unpacked bundle, zips it again and returns the faults by rule."""

    def change(edit, name=PROSTATE.name):
        with zipfile.ZipFile(packed) as archive:
            archive.extractall(tmp_path)
        shutil.rmtree(tmp_path / "changed", ignore_errors=True)
        folder = (tmp_path / PROSTATE.name).rename(tmp_path / "changed")
        edit(folder)
        found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        write_zip(tmp_path / f"{name}_v0.1.0.zip", name, found)
        return {rule: found for rule, found in check_zip(tmp_path / f"{name}_v0.1.0.zip").items() if found}

    return change


def edit_json(name, change):
    def edit(folder):
        path = folder / "configs" / name
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return edit


def writing(name, text):
    def edit(folder):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)

    return edit


def test_a_packed_bundle_has_no_fault_and_no_weights(packed):
    assert check_zip(packed) == {rule.__name__: [] for rule in RULES} | {"weights": ["no model.pt"]}


@pytest.mark.parametrize(
    ("rule", "edit", "fault"),
    [
        ("files", lambda folder: (folder / "LICENSE").unlink(), "LICENSE is missing"),
        ("files", writing("eval/table.csv", "a"), "eval/table.csv was left by a run"),
        ("manifest", lambda folder: (folder / "docs" / "MANIFEST.json").unlink(), "docs/MANIFEST.json is missing"),
        ("manifest", writing("docs/README.md", "a"), "docs/README.md is not the file that docs/MANIFEST.json lists"),
        ("weights", writing("models/model.pt", "a"), "model.pt: not a file of plain tensors"),
        ("weights", writing("large_files.json", '{"large_files": [{"path": "a"}]}'), "expected a stable https URL"),
        (
            "weights",
            writing("large_files.json", '{"large_files": [{"path": "a", "url": "https://b/a"}]}'),
            "needs a sha256",
        ),
        ("version", edit_json("metadata.json", lambda content: content.update(version="0.10.0")), "three digits"),
        (
            "version",
            edit_json("metadata.json", lambda content: content.update(version="0.2.0")),
            "not in the changelog",
        ),
        (
            "version",
            edit_json("metadata.json", lambda content: content.update(numpy_version=">=2")),
            "no exact version",
        ),
        ("metadata", edit_json("metadata.json", lambda content: content.pop("task")), "'task' is a required property"),
        (
            "metadata",
            edit_json("metadata.json", lambda content: content.update(schema="https://a/meta_schema_20220324.json")),
            "expected the address of meta_schema_20240725.json",
        ),
        (
            "channels",
            edit_json(
                "metadata.json",
                lambda content: content["network_data_format"]["outputs"]["pred"].update(num_channels=2),
            ),
            "outputs: pred: channel_def does not name 2 channels",
        ),
        ("configs", edit_json("inference.json", lambda content: content.pop("inferer")), "inferer: is missing"),
        ("configs", edit_json("train.json", lambda content: content.update(device="$torch.device('cuda')")), "CPU"),
    ],
)
def test_a_fault_is_named_under_its_rule(changed, rule, edit, fault):
    assert fault in changed(edit)[rule][0]


def test_damaged_metadata_is_one_line(changed):
    with pytest.raises(InputError, match=r"a file is no JSON .*; pack the bundle again"):
        changed(writing("configs/metadata.json", "{"))


def test_a_name_without_a_task_is_a_fault(changed):
    assert "expected small letters" in changed(lambda folder: None, name="prostate")["name"][0]


def test_weights_of_another_network_are_a_fault(changed):
    def edit(folder):
        (folder / "models").mkdir()
        torch.save({"a": torch.zeros(1)}, folder / "models" / "model.pt")

    assert "does not fit network_def" in changed(edit)["weights"][0]


def test_included_weights_are_named_and_must_fit_the_network_of_their_sizes(changed):
    """The prostate bundle with weights as if it had been trained on painted prostates, with 2 features."""
    fitting, faults = network_of(PROSTATE, ["inference_tiny"]).state_dict(), []
    for weights, sizes in [(fitting, "painted_sizes"), ({"a": torch.zeros(1)}, "painted_sizes"), (fitting, "none")]:

        def edit(folder, weights=weights, sizes=sizes):
            shutil.copy(folder / "configs" / "inference_tiny.json", folder / "configs" / f"{sizes}.json")
            (folder / "models").mkdir()
            torch.save(weights, folder / "models" / "painted.pt")

        faults.append(changed(edit)["weights"])
    assert faults[0] == ["painted.pt"]
    assert "painted.pt: does not fit network_def" in faults[1][0]
    assert "painted_sizes.json: no such file" in faults[2][0]


def test_a_second_packing_of_a_bundle_is_checked_with_its_own_code(tmp_path):
    """Their networks have other widths, and one name."""
    before = {*sys.modules}, [*sys.path]
    for width in (3, 5):
        zipped = pack(make_toy_repository(tmp_path / f"{width}", width=width), tmp_path / f"{width}")
        torch.save(torch.nn.Conv2d(1, width, 1).state_dict(), tmp_path / "model.pt")
        with zipfile.ZipFile(zipped, "a") as archive:
            archive.write(tmp_path / "model.pt", "toy_segmentation/models/model.pt")
        assert check_zip(zipped)["weights"] == []
    assert not {name for name in {*sys.modules} - before[0] if name.startswith("toy_segmentation")}
    assert sys.path == before[1]


def test_a_zip_that_is_no_packed_bundle_is_refused(tmp_path, packed):
    (tmp_path / "a_v0.1.0.zip").write_bytes(packed.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"a_v0.1.0.zip: not a zip"):
        check_zip(tmp_path / "a_v0.1.0.zip")
    shutil.copy(packed, tmp_path / "other_v0.1.0.zip")
    with pytest.raises(InputError, match=r"expected one folder <name> in <name>_v<version>.zip"):
        check_zip(tmp_path / "other_v0.1.0.zip")


def test_the_table_has_a_row_per_zip_and_the_status_tells_of_faults(packed, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(str(packed.parent))
    assert ended.value.code == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0] == "| zip | files | manifest | weights | name | version | metadata | channels | configs | code |"
    assert rows[2] == f"| `{packed.name}` | ok | ok | no model.pt | ok | ok | ok | ok | ok | ok |"
    assert rows[-1] == "1 bundles, 0 faults"
    with pytest.raises(InputError, match=r"no packed bundle .* here; run `python -m ci pack --all` first"):
        main(str(tmp_path))
    with pytest.raises(
        InputError, match=r"--verify_bundle a\.py: no such file; name ci/verify_bundle\.py in a checkout"
    ):
        main(str(packed.parent), verify_bundle="a.py")


def test_the_table_ends_with_what_the_script_of_the_zoo_says(packed, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(check_zoo, "by_verify_bundle", lambda path, script, mode: f"{outcome} in mode {mode}")
    (tmp_path / "verify_bundle.py").touch()
    for outcome, status in (("ok", 0), ("ValueError: no", 1)):
        with pytest.raises(SystemExit) as ended:
            main(str(packed.parent), verify_bundle=str(tmp_path / "verify_bundle.py"))
        assert ended.value.code == status
        assert f"\n{packed.name}: verify_bundle.py: {outcome} in mode min\n" in capsys.readouterr().out
