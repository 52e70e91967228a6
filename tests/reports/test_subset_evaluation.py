import hashlib
import json
import logging

import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor
from monai.engines import PrepareBatchExtraInput, SupervisedEvaluator, default_prepare_batch
from monai.inferers import SimpleInferer
from monai.transforms import CropForegroundd
from pandas import DataFrame

from shared.errors import InputError
from shared.inferers import ModalitySubsetsInferer
from shared.metrics import Hausdorff95Metric, LesionWiseMetric, SensitivityPrecisionMetric
from shared.reports import SubsetEvaluation, subset_evaluation, tumour_columns
from shared.reports.subset_scores import missing_counts, subset_markdown

EXPECTED = """\
case,subset,missing,dice_lesion,dice_all
first,t2,1,0.8000,0.8000
first,adc,1,0.0000,0.0000
first,t2+adc,0,1.0000,1.0000
second,t2,1,1.0000,0.0000
second,adc,1,,
second,t2+adc,0,,
"""


class Threshold(torch.nn.Module):
    """Class 1 where the modalities that are seen add up to more than 0.5; counts its calls."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, image):
        self.calls += 1
        found = image.nan_to_num().sum(1, keepdim=True) > 0.5
        return torch.cat([~found, found], dim=1).float()


def items():
    """The first: T2 shows 4 of the lesion's 6 voxels and ADC the other two, and one outside that T2 takes back.

    Dice: T2 2*4/(4+6) = 0.8; ADC shows none of its three strongly enough: 0; both together all six: 1. The second has
    no ADC, no lesion, and T2 shows one voxel, which only the second region counts.
    """
    label = torch.zeros(2, 1, 6, 5, 4)
    label[0, 0, 1:4, 1:3, 1] = 1
    image = torch.zeros(2, 2, 6, 5, 4)
    image[0, 0, 1:3, 1:3, 1] = 0.9
    image[0, :, 3, 1:3, 1] = torch.tensor([0.4, 0.3])[:, None]
    image[0, :, 4, 4, 3] = torch.tensor([-0.4, 0.5])
    image[1, 0, 5, 4, 3] = 0.9
    image[1, 1] = torch.nan
    return [
        {"case": name, "image": MetaTensor(image[place]), "label": MetaTensor(label[place])}
        for place, name in enumerate(["first", "second"])
    ]


def lesion_and_all(class_map):
    """Two regions: one that leaves single voxels out, and one of all of them."""
    return torch.cat([class_map * (class_map.sum() > 1), class_map])


def handler(folder, cases=None, **options):
    weights = folder / "model.pt"
    if not weights.exists():
        folder.mkdir(parents=True, exist_ok=True)
        weights.write_bytes(b"weights")
    settings = {
        "output_dir": str(folder / "out"),
        "cases": items() if cases is None else cases,
        "ckpt_path": str(weights),
        "modalities": ["t2", "adc"],
        "regions": lesion_and_all,
        "label_regions": lesion_and_all,
        "region_names": ["lesion", "all"],
        "title": "Prostates",
    }
    return SubsetEvaluation(**{**settings, **options})


def evaluator_of(scores, network, transform=None, prepare_batch=default_prepare_batch):
    return SupervisedEvaluator(
        device="cpu",
        val_data_loader=DataLoader(Dataset(scores.cases_left(), transform), batch_size=1),
        network=network,
        inferer=ModalitySubsetsInferer(SimpleInferer()),
        prepare_batch=prepare_batch,
        val_handlers=[scores],
    )


def evaluate(folder, network=None, **options):
    """As the configuration does it: what is left, then the tables. Return the engine and how often a network ran."""
    scores, network = handler(folder, **options), network or Threshold()
    evaluator = evaluator_of(scores, network)
    if len(evaluator.data_loader.dataset):
        evaluator.run()
    scores.write()
    return evaluator, network.calls


@pytest.fixture
def no_drawing(monkeypatch):
    monkeypatch.setattr(subset_evaluation, "draw_heat_maps", lambda path, *rest: path.write_text("a picture"))


def test_two_cases_by_hand(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="SubsetEvaluation"):
        evaluator, calls = evaluate(tmp_path, notes=["ADC is in 1e-6 mm2/s."])
    assert (tmp_path / "out" / "subsets.csv").read_text() == EXPECTED
    assert calls == 3 + 1
    text = (tmp_path / "out" / "subsets.md").read_text()
    for line in [
        "# Prostates",
        "| missing modalities | 1 | 1 | 0 | mean |",
        "| t2 | ● | ○ | ● |  |",
        "| adc | ○ | ● | ● |  |",
        "| lesion | 0.9000 | 0.0000 | 1.0000 | 0.6333 |",
        "| all | 0.4000 | 0.0000 | 1.0000 | 0.4667 |",
        "| cases that have them | 2 | 1 | 1 |  |",
        "|  | all subsets | full | 1 missing |",
        "| lesion | 0.6333 ± 0.5508 | 1.0000 | 0.4500 ± 0.6364 |",
        "ADC is in 1e-6 mm2/s.",
    ]:
        assert line in text.splitlines()
    assert "| all | 0.4000 | 0.0000 | 1.0000 | 0.4667 |" in caplog.text
    assert evaluator.state.metrics == {"dice_lesion": pytest.approx(1.9 / 3), "dice_all": pytest.approx(1.4 / 3)}
    assert (tmp_path / "out" / "subsets.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in (tmp_path / "out").rglob("*.*")} == {
        *["first.json", "second.json", "subsets.csv", "subsets.md", "subsets.png"],
    }


HAUSDORFF = {
    "additional_metrics": {"hausdorff_95": Hausdorff95Metric()},
    "columns": {"hausdorff_95": ["hausdorff_95_mm_lesion", "hausdorff_95_mm_all"], "lesion_wise": []},
}


def test_distances_on_request_by_hand(tmp_path, no_drawing):
    """T2 lacks the lesion's last plane, 1 mm away; one of both empty: the diagonal, the root of 36 + 25 + 16."""
    evaluator, _ = evaluate(tmp_path, **HAUSDORFF)
    assert (
        (tmp_path / "out" / "subsets.csv").read_text()
        == """\
case,subset,missing,dice_lesion,dice_all,hausdorff_95_mm_lesion,hausdorff_95_mm_all
first,t2,1,0.8000,0.8000,1.0000,1.0000
first,adc,1,0.0000,0.0000,8.7750,8.7750
first,t2+adc,0,1.0000,1.0000,0.0000,0.0000
second,t2,1,1.0000,0.0000,0.0000,8.7750
second,adc,1,,,,
second,t2+adc,0,,,,
"""
    )
    lines = (tmp_path / "out" / "subsets.md").read_text().splitlines()
    assert "## hausdorff_95, mean over cases" in lines
    assert "| hausdorff_95_mm_lesion | 0.5000 | 8.7750 | 0.0000 | 3.0917 |" in lines
    assert "| lesion | 0.9000 | 0.0000 | 1.0000 | 0.6333 |" in lines
    assert evaluator.state.metrics["hausdorff_95_mm_lesion"] == pytest.approx((0.5 + 77**0.5) / 3)


def test_what_a_case_cannot_score_is_empty_and_null_in_its_record(tmp_path, no_drawing):
    """T2 finds 4 of 6 voxels and no other, ADC none; the second case has no lesion, so neither score."""
    columns = ["sensitivity_lesion", "precision_lesion", "sensitivity_all", "precision_all"]
    found = {
        "additional_metrics": {"sensitivity_precision": SensitivityPrecisionMetric()},
        "columns": {"sensitivity_precision": columns},
    }
    evaluator, _ = evaluate(tmp_path, **found)
    rows = [row.split(",")[5:] for row in (tmp_path / "out" / "subsets.csv").read_text().splitlines()]
    assert rows == [columns, ["0.6667", "1.0000"] * 2, ["0.0000"] * 4, ["1.0000"] * 4, *[[""] * 4] * 3]
    lines = (tmp_path / "out" / "subsets.md").read_text().splitlines()
    assert "## sensitivity_precision, mean over cases" in lines
    assert "| sensitivity_lesion | 0.6667 | 0.0000 | 1.0000 | 0.5556 |" in lines
    assert evaluator.state.metrics["precision_all"] == pytest.approx(2 / 3)
    record = (tmp_path / "out" / "subsets" / "second.json").read_text()
    assert json.loads(record)["sensitivity_precision"] == {"t2": [None] * 4, "adc": None, "t2+adc": None}
    _, calls = evaluate(tmp_path, **found)  # from the records
    assert calls == 0
    assert [row.split(",")[5:] for row in (tmp_path / "out" / "subsets.csv").read_text().splitlines()] == rows


def test_lesions_on_request_have_six_columns_a_region_and_mixed_up_columns_are_refused(tmp_path, no_drawing):
    columns = tumour_columns()["lesion_wise"]
    lesions = {
        "additional_metrics": {"lesion_wise": LesionWiseMetric(0, 0.0)},
        "columns": {"lesion_wise": columns[:12]},
    }
    evaluate(tmp_path, **lesions)
    row = (tmp_path / "out" / "subsets.csv").read_text().splitlines()[1].split(",")
    assert row[:6] == ["first", "t2", "1", "0.8000", "0.8000", "0.8000"]
    assert len(row) == 3 + 2 + 12
    evaluate(tmp_path)  # what Dice alone needs is there
    assert (tmp_path / "out" / "subsets.csv").read_text() == EXPECTED
    lesions["additional_metrics"] = {"lesion_wise": LesionWiseMetric(1, 0.0)}
    assert len(handler(tmp_path, **lesions).cases_left()) == 2
    with pytest.raises(ValueError, match="metric 'lesion_wise' has 12 scores, not 24 columns"):
        evaluate(tmp_path / "wrong", **{**lesions, "columns": {"lesion_wise": columns}})


def test_scores_without_what_is_requested_do_not_count(tmp_path, no_drawing):
    evaluate(tmp_path)
    assert len(handler(tmp_path, **HAUSDORFF).cases_left()) == 2
    evaluate(tmp_path, **HAUSDORFF)
    assert handler(tmp_path).cases_left() == handler(tmp_path, **HAUSDORFF).cases_left() == []


def test_a_stopped_evaluation_goes_on_and_ends_with_the_same_tables(tmp_path, no_drawing):
    class Stop(Exception):
        pass

    def stop_at_the_second(item):
        if item["case"] == "second":
            raise Stop
        return item

    first_time = handler(tmp_path / "stopped")
    with pytest.raises(RuntimeError, match="applying transform"):
        evaluator_of(first_time, Threshold(), stop_at_the_second).run()
    _, calls = evaluate(tmp_path / "stopped")
    assert calls == 1, "only the second case, with its one subset"
    evaluate(tmp_path / "unbroken")
    for name in ("subsets.csv", "subsets.md"):
        assert (tmp_path / "stopped/out" / name).read_bytes() == (tmp_path / "unbroken/out" / name).read_bytes()


def test_tables_are_written_where_nothing_is_left_to_score(tmp_path, no_drawing, caplog):
    evaluate(tmp_path)
    for path in (tmp_path / "out").glob("subsets.*"):
        path.unlink()
    with caplog.at_level(logging.INFO, logger="SubsetEvaluation"):
        evaluator, calls = evaluate(tmp_path)
    assert calls == 0
    assert (
        "2 of 2 cases scored before, by these weights with these settings; to score them anew, remove " in caplog.text
    )
    assert (tmp_path / "out" / "subsets.csv").read_text() == EXPECTED
    assert evaluator.state.metrics["dice_lesion"] == pytest.approx(1.9 / 3)


@pytest.mark.parametrize("change", ["weights", "modalities", "region_names"])
def test_scores_of_other_weights_modalities_or_regions_do_not_count(tmp_path, no_drawing, change):
    evaluate(tmp_path)
    options = {"modalities": {"modalities": ["adc", "t2"]}, "region_names": {"region_names": ["PZ", "all"]}}
    if change == "weights":
        (tmp_path / "model.pt").write_bytes(b"trained further")
    assert len(handler(tmp_path, **options.get(change, {})).cases_left()) == 2


def test_cases_of_another_part_stay_out(tmp_path, no_drawing):
    evaluate(tmp_path)
    _, calls = evaluate(tmp_path, cases=items()[:1])
    assert calls == 0
    assert (tmp_path / "out" / "subsets.csv").read_text() == EXPECTED[: EXPECTED.index("second")]


def test_processes_score_their_shares_and_the_tables_hold_all(tmp_path, no_drawing, monkeypatch):
    for rank in (0, 1):
        monkeypatch.setattr(subset_evaluation, "process_share", lambda cases, repeat, rank=rank: [cases[rank]])
        scores = handler(tmp_path)
        if rank == 1:
            with pytest.raises(InputError, match="1 of 2 cases not scored"):
                scores.write()
        evaluator_of(scores, Threshold()).run()
    scores.write()
    assert (tmp_path / "out" / "subsets.csv").read_text() == EXPECTED


def test_of_several_processes_the_first_writes_after_all_are_done(tmp_path, no_drawing, monkeypatch):
    evaluate(tmp_path)
    (tmp_path / "out" / "subsets.csv").unlink()
    waited = []
    monkeypatch.setattr(subset_evaluation.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(subset_evaluation.dist, "barrier", lambda: waited.append(True))
    for rank in (1, 0):
        monkeypatch.setattr(subset_evaluation.dist, "get_rank", lambda rank=rank: rank)
        handler(tmp_path).write()
        assert (tmp_path / "out" / "subsets.csv").exists() == (rank == 0)
    assert waited == [True, True]


def test_maps_are_scored_on_the_labels_grid(tmp_path, no_drawing):
    """Cropping the image changes nothing once the maps are brought back; what was not run stays so outside the crop."""

    def seen(image):
        return image.nan_to_num().abs().amax(0, keepdim=True) > 0.2

    crop = CropForegroundd("image", "image", select_fn=seen)
    scores = handler(tmp_path)
    evaluator_of(scores, Threshold(), crop, PrepareBatchExtraInput({"grid": "label"})).run()
    scores.write()
    assert (tmp_path / "out" / "subsets.csv").read_text() == EXPECTED


def test_numbers_of_the_papers_table_3():
    """SwinUNETR, whole tumour: Table 6 of PGO has the subsets' means, Table 3 what is made of them."""
    means = [38.41, 47.03, 56.17, 56.26, 67.75, 60.44, 61.81, 58.72, 56.75, 49.41, 69.41, 67.51, 59.86, 60.38, 68.87]
    modalities = ["t1", "t2", "t1ce", "flair"]
    scores = DataFrame({"case": "a", "subset": list(missing_counts(modalities)), "dice_WT": means})
    lines = subset_markdown(scores, modalities).splitlines()
    head = lines.index("|  | all subsets | full | 1 missing | 2 missing | 3 missing |")
    cells = [cell.strip().split(" ± ") for cell in lines[head + 2].strip("|").split("|")[1:]]
    found = [[round(float(number), 1) for number in cell] for cell in cells]
    assert found == [[58.6, 8.6], [68.9], [64.3, 4.9], [59.1, 6.1], [49.5, 8.5]]  # the paper: 8.46 and 7.40


def test_what_cannot_be_used_is_named(tmp_path, no_drawing):
    with pytest.raises(InputError, match="no cases to score; evaluate a part that has cases"):
        evaluate(tmp_path, cases=[])
    evaluate(tmp_path)
    with pytest.raises(InputError, match=r"nowhere.pt: no such checkpoint; train first, or name one with --ckpt_path"):
        handler(tmp_path, ckpt_path="nowhere.pt").cases_left()
    (tmp_path / "out" / "subsets" / "first.json").write_text('{"case": "fir')
    with pytest.raises(InputError, match=r"first.json: cannot be read; remove it"):
        handler(tmp_path).cases_left()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="choose another output folder"):
        handler(tmp_path, output_dir=str(tmp_path / "file" / "below")).cases_left()
    with pytest.raises(ValueError, match=r"pred must have 3 class maps, got shape \(2, 1, 1, 1\)"):
        handler(tmp_path).score(torch.zeros(2, 1, 1, 1), torch.zeros(1, 1, 1, 1))
    with pytest.raises(ValueError, match="label_regions gives 2 regions"):
        handler(tmp_path, region_names=["lesion"]).score(torch.zeros(3, 1, 1, 1), torch.zeros(1, 1, 1, 1))


def test_a_record_names_what_it_was_made_with(tmp_path, no_drawing):
    evaluate(tmp_path, settings={"window": (5, 5)})
    assert handler(tmp_path, settings={"window": [5, 5]}).cases_left() == []
    assert len(handler(tmp_path, settings={"window": [5, 6]}).cases_left()) == 2
    record = json.loads((tmp_path / "out" / "subsets" / "second.json").read_text())
    assert record == {
        **{"case": "second", "modalities": ["t2", "adc"], "regions": ["lesion", "all"]},
        **{"weights_sha256": hashlib.sha256(b"weights").hexdigest(), "settings": {"window": [5, 5]}},
        "dice": {"t2": [1.0, 0.0], "adc": None, "t2+adc": None},
    }
