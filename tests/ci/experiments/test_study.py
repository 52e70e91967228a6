"""A study: several variants and seeds of a bundle, trained, evaluated and merged by one command."""

import csv
import json
import re
from pathlib import Path

import pytest
import torch
from tiny_phantoms import paint_tiny_phantoms

from ci.experiments import study, training_run
from shared.errors import InputError

BUNDLE = Path("bundles/colon_gland_segmentation_multiloss")


def test_variants_in_words_and_in_a_file(tmp_path):
    expected = {"ours": {"overlays": []}, "without rho": {"overlays": ["tiny", "no_rho"]}}
    assert study.read_variants("ours; without rho: tiny, no_rho") == expected
    path = tmp_path / "table.json"
    path.write_text(json.dumps({"class alone": {"terms": ["class"]}}))
    assert study.read_variants(str(path)) == {"class alone": {"terms": ["class"]}}


@pytest.mark.parametrize("wrong", ["a; a", "", ": tiny", "nowhere.json"])
def test_what_describes_no_variants_is_named(wrong):
    with pytest.raises(InputError, match=r"variants|nowhere\.json"):
        study.read_variants(wrong)


@pytest.mark.parametrize(("given", "numbers"), [(3, [3]), ((0, 2), [0, 2]), ([1], [1])])
def test_seeds(given, numbers):
    assert study.listed(given, "seeds") == numbers


@pytest.mark.parametrize("wrong", [[], "0,1", True, 0.5, [0, 0], [0, "1"], None])
def test_what_is_no_list_of_seeds_is_refused(wrong):
    with pytest.raises(InputError, match="seeds of ours: give whole numbers, every one once, not"):
        study.listed(wrong, "seeds of ours")


def test_all_studies_of_the_bundles_name_overlays_and_settings_that_exist():
    files = sorted(Path("bundles").glob("*/studies/*.json"))
    assert files
    for file in files:
        for variant in study.read_variants(str(file)).values():
            configs = [file.parents[1] / "configs" / f"{name}.json" for name in ["train", *variant.get("overlays", [])]]
            known = {key for config in configs for key in json.loads(config.read_text())}
            assert variant.keys() - known <= {"overlays", "seeds"}


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_a_bundle_and_overlays_that_there_are_not_are_named(tmp_path):
    for bundle, variant in (("nowhere", "a"), (str(BUNDLE), "a: nowhere")):
        with pytest.raises(InputError, match=r"nowhere\S*\.json: no such file; correct --bundle or the overlays"):
            study.main(bundle, str(tmp_path / variant[-1]), variant)


@pytest.mark.parametrize("jobs", [0, "two"])
def test_a_senseless_number_of_jobs_is_refused(tmp_path, jobs):
    with pytest.raises(InputError, match="jobs: give how many"):
        study.main("bundle", str(tmp_path), "ours", jobs=jobs)


def test_two_names_for_one_folder_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"'UNet' and 'UNet\+\+' would share the folder unet"):
        study.main("bundle", str(tmp_path), "UNet; UNet++")


def test_a_variant_may_have_seeds_of_its_own(tmp_path, monkeypatch):
    done, merged = [], []
    monkeypatch.setattr(study, "run_jobs", lambda jobs, tasks: done.extend(tasks))
    monkeypatch.setattr(study.tables, "main", lambda *rows, out, printed: merged.extend(rows))
    path = tmp_path / "table.json"
    path.write_text(json.dumps({"ours": {}, "once": {"overlays": ["tiny"], "seeds": [4]}}))
    study.main("bundle", str(tmp_path), str(path), seeds=(0, 1))
    runs = [(folder.relative_to(tmp_path), settings, variant) for _, variant, folder, settings, _ in done]
    assert runs == [
        (Path("ours/seed0"), {"seed": 0}, {}),
        (Path("ours/seed1"), {"seed": 1}, {}),
        (Path("once/seed4"), {"seed": 4}, {"overlays": ["tiny"]}),
    ]
    assert merged[1] == f"once={tmp_path / 'once' / 'seed4' / 'evaluation.csv'}"


def test_an_evaluation_that_there_is_not_is_refused(tmp_path):
    with pytest.raises(InputError, match="evaluation: give one of evaluate, evaluate_subsets, not 'subsets'"):
        study.main("bundle", str(tmp_path), "ours", evaluation="subsets")


def test_every_subset_is_scored_and_merged_where_a_study_asks_for_it(tmp_path, monkeypatch):
    """A run that has the other evaluation's table still gets this one, and is not trained again."""
    runs, merged = [], []

    def run(bundle, overlays, settings):
        runs.append(overlays)
        folder = Path(settings["output_dir"])
        (folder / "models").mkdir(exist_ok=True)
        (folder / ("subsets.csv" if "evaluate_subsets" in overlays else "models/model_last.pt")).touch()

    monkeypatch.setattr(training_run, "run", run)
    monkeypatch.setattr(study.tables, "main", lambda *rows, out, printed: merged.append((rows, out)))
    (tmp_path / "ours" / "seed0").mkdir(parents=True)
    (tmp_path / "ours" / "seed0" / "evaluation.csv").touch()
    for _ in range(2):
        study.main("bundle", str(tmp_path), "ours: tiny", evaluation="evaluate_subsets")
    assert runs == [["tiny"], ["tiny", "evaluate_subsets"]]
    assert merged[0] == ((f"ours={tmp_path / 'ours' / 'seed0' / 'subsets.csv'}",), str(tmp_path / "table_subsets"))


def test_trained_weights_are_scored_on_other_cases_and_not_trained(tmp_path, monkeypatch):
    runs = []

    def run(bundle, overlays, settings):
        runs.append((overlays, settings["ckpt_dir"], settings["dataset_dir"]))
        (Path(settings["output_dir"]) / "evaluation.csv").touch()

    monkeypatch.setattr(training_run, "run", run)
    monkeypatch.setattr(study.tables, "main", lambda *rows, out, printed: None)
    first, options = tmp_path / "first", {"variants": "ours: tiny", "weights_of": str(tmp_path / "first")}
    missing = re.escape(f"weights_of: {first / 'ours' / 'seed0'} has no trained weights; give the --out of a study")
    with pytest.raises(InputError, match=missing):
        study.main("bundle", str(tmp_path / "second"), **options, dataset_dir="others")
    (first / "ours" / "seed0" / "models").mkdir(parents=True)
    (first / "ours" / "seed0" / "models" / "model_last.pt").touch()
    for _ in range(2):
        study.main("bundle", str(tmp_path / "second"), **options, dataset_dir="others")
    assert runs == [(["tiny", "evaluate"], str(first / "ours" / "seed0" / "models"), "others")]
    with pytest.raises(InputError, match="dataset_dir = 'others', now there is dataset_dir = 'third'"):
        study.main("bundle", str(tmp_path / "second"), **options, dataset_dir="third")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"max_epochs": 2}, "was trained with max_epochs = 1, now there is max_epochs = 2"),
        ({"lr": None}, "was trained with no lr, now there is lr = None"),
        ({"size": (4, 8)}, "was trained with size = [4, 4], now there is size = [4, 8]"),
        ({"variants": "ours"}, "was trained with overlays = ['tiny'], now there is overlays = []"),
    ],
)
def test_a_folder_of_other_settings_is_refused(tmp_path, monkeypatch, changed, told):
    """Its scores would be shown as those of the new ones."""
    runs = []

    def run(bundle, overlays, settings):
        runs.append(overlays)
        if settings["max_epochs"] == "one":
            raise InputError("max_epochs")
        (tmp_path / "ours" / "seed0" / "models").mkdir(exist_ok=True)
        (tmp_path / "ours" / "seed0" / "models" / "checkpoint.pt").touch()

    monkeypatch.setattr(training_run, "run", run)
    monkeypatch.setattr(study.tables, "main", lambda *rows, out, printed: None)
    options = {"variants": "ours: tiny", "max_epochs": 1, "size": (4, 4)}
    with pytest.raises(InputError):  # corrected before anything was trained
        study.main("bundle", str(tmp_path), **{**options, "max_epochs": "one"})
    study.main("bundle", str(tmp_path), **options)
    study.main("bundle", str(tmp_path), **options)
    assert len(runs) == 5
    with pytest.raises(InputError, match=re.escape(f"out: {tmp_path / 'ours' / 'seed0'} {told}; give another --out, ")):
        study.main(
            "bundle",
            str(tmp_path),
            **{**options, **changed, "variants": f"new; {changed.get('variants', 'ours: tiny')}"},
        )
    assert len(runs) == 5, "something was trained before"
    (tmp_path / "ours" / "seed0" / "study_settings.json").unlink()
    study.main("bundle", str(tmp_path), **{**options, **changed})


def test_a_run_in_a_process_of_its_own_tells_what_is_wrong_and_which_run_it_is(tmp_path, caplog):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        study.named_run(BUNDLE, {"overlays": ["equal"]}, tmp_path / "equal" / "seed3", {"dataset_dir": "nowhere"})
    assert "equal/seed3: " in caplog.text


def test_a_study_trains_evaluates_merges_and_does_only_what_is_left(tmp_path, one_thread, monkeypatch):
    monkeypatch.setattr("shared.handlers.training_log.draw_epoch_rows", lambda path, *rows: None)
    options = {
        "bundle": str(BUNDLE),
        "out": str(tmp_path / "study"),
        "variants": "learned: tiny; Equal weights: tiny,equal",
        "seeds": 7,
        "dataset_dir": str(paint_tiny_phantoms(BUNDLE, tmp_path / "phantoms")),
        "max_epochs": 1,
    }
    study.main(**options)
    folders = [tmp_path / "study" / variant / "seed7" for variant in ("learned", "equal_weights")]
    for folder, is_learned in zip(folders, (True, False), strict=True):
        executed = json.loads((folder / "train_executed.json").read_text())
        assert (executed["seed"], executed["max_epochs"]) == (7, 1)
        saved = torch.load(folder / "models" / "checkpoint.pt", weights_only=True)["objects"]
        assert bool(saved["loss"]) == is_learned
        with (folder / "evaluation.csv").open() as file:
            assert "pooled" in [row["case"] for row in csv.DictReader(file)]
    table = (tmp_path / "study" / "table.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in table.splitlines()[2:4]]
    assert rows == [["learned", "1"], ["Equal weights", "1"]]

    (folders[1] / "evaluation.csv").unlink()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "study").rglob("*.pt")}
    study.main(**{**options, "variants": "Equal weights: tiny,equal"}, jobs=2)  # in a process of its own
    assert (folders[1] / "evaluation.csv").is_file()
    study.main(**options)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "study").rglob("*.pt")} == before, "trained again"
    assert (tmp_path / "study" / "table.md").read_text() == table
