"""An inference on many cases: a bad one stops no other, finished ones are skipped, names of patients need not leave."""

import hashlib
import json
import shutil
from pathlib import Path

import damage
import nibabel
from bundle_cases import cases_of, image_of
from tiny_bundle import tried_on

COHORT = {"cohort.csv", "cohort.md"}
with_each_writer = tried_on("vnet", "colon")


@with_each_writer
def test_one_bad_case_among_many_is_named_and_the_others_are_done(refused, trained, tmp_path):
    """A case without any image is a bad one, too."""
    good = cases_of(trained)["inference"][0]
    key, source = image_of(good)
    cases = [{**good, "case": "good"}, {"case": "without_any"}]
    for how in (damage.text, damage.truncated, damage.gone, damage.stray_nan, damage.seven_channels):
        if damage.spoils(how, source):
            file = Path(shutil.copy(source, tmp_path / f"{how.__name__}_{source.name}"))
            how(file)
            cases.insert(0, {**good, "case": how.__name__, key: str(file)})
    line = refused("inference", datalist=cases)
    assert line.startswith(f"Error: 1 of {len(cases)} cases done; not done: ")
    named = [case[key] for case in cases if case["case"] not in {"good", "without_any"}]
    assert all(path in line for path in named)
    assert "case without_any: " in line
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"good", *COHORT}


@with_each_writer
def test_a_case_that_cannot_be_written_does_not_stop_the_others(refused, trained, tmp_path):
    """Names that no folder can bear, another file in the way, another case's results in the folder."""
    good, other = cases_of(trained)["inference"][:2]
    (tmp_path / "out" / "taken").mkdir(parents=True)
    (tmp_path / "out" / "blocked").write_text("in the way")
    (tmp_path / "out" / "taken" / "taken.json").write_text('{"inputs": {"image": "another.nii"}}')
    names = ["p1/flair", "x" * 250, "blocked", "taken"]
    cases = [*({**other, "case": name} for name in names), {**good, "case": "good"}]
    line = refused("inference", datalist=cases)
    assert line.startswith("Error: 1 of 5 cases done; not done: case 'p1/flair': folder and files bear its name; ")
    assert "has 250 bytes" in line
    assert f"{tmp_path / 'out' / 'blocked'}: cannot be written" in line
    assert "taken: holds the results of another.nii" in line
    assert (tmp_path / "out" / "good" / "good.json").is_file()


@tried_on("vnet", "prostate", "colon")
def test_names_of_patients_stay_out_of_figures_and_file_names(trained, tmp_path):
    case = {**cases_of(trained)["inference"][0], "case": "Jane Doe"}
    trained.run("inference", datalist=[case], case_names="hash", output_dir=str(tmp_path))
    digits = hashlib.sha256(b"Jane Doe").hexdigest()[:12]
    names = {path.name for path in tmp_path.rglob("*")}
    assert {digits, f"{digits}.json", f"{digits}_overlay.png", *COHORT} <= names
    assert all(name.startswith(digits) for name in names - COHORT)
    assert all("Jane" not in (tmp_path / name).read_text() for name in COHORT)
    assert json.loads((tmp_path / digits / f"{digits}.json").read_text())["case"] == "Jane Doe"


@tried_on("vnet")
def test_finished_cases_are_skipped_unless_a_setting_has_changed(trained, tmp_path, no_drawing):
    cases = cases_of(trained)["inference"][:2]
    trained.run("inference", datalist=cases[:1], output_dir=str(tmp_path))
    name = cases[0]["case"]
    record = tmp_path / name / f"{name}.json"
    before = record.stat().st_mtime_ns
    trained.run("inference", datalist=cases, skip_finished=True, output_dir=str(tmp_path))
    assert record.stat().st_mtime_ns == before
    assert len(list(tmp_path.glob("*/*.json"))) == 2
    options = {"output_dir": str(tmp_path), "skip_finished": True, "min_component_mm3": [1e9]}
    trained.run("inference", datalist=cases[:1], **options)
    assert record.stat().st_mtime_ns > before
    assert not nibabel.load(tmp_path / name / f"{name}_seg.nii.gz").get_fdata().any()
