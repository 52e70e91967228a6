"""Every subset of the modalities is scored, and tables hold the scores."""

import json
import logging

import pytest
import torch
from monai.engines import PrepareBatchExtraInput
from monai.transforms import CropForegroundd
from pandas import DataFrame
from subset_cases import EXPECTED, HAUSDORFF, Threshold, evaluate, evaluator_of, handler, written

from shared.errors import InputError
from shared.metrics import LesionWiseMetric, SensitivityPrecisionMetric
from shared.reports import tumour_columns
from shared.reports.subset_scores import missing_counts, subset_markdown


def test_two_cases_by_hand(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="SubsetEvaluation"):
        evaluator, calls = evaluate(tmp_path, draws=True, notes=["ADC is in 1e-6 mm2/s."])
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


def test_distances_on_request_by_hand(tmp_path):
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


def test_what_a_case_cannot_score_is_empty_and_null_in_its_record(tmp_path):
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


LESIONS = {"additional_metrics": {"lesion_wise": LesionWiseMetric(0, 0.0)}}
COLUMNS = tumour_columns()["lesion_wise"]


def test_lesions_on_request_have_six_columns_a_region(tmp_path):
    lesions = {**LESIONS, "columns": {"lesion_wise": COLUMNS[:12]}}
    evaluate(tmp_path, **lesions)
    row = (tmp_path / "out" / "subsets.csv").read_text().splitlines()[1].split(",")
    assert row[:6] == ["first", "t2", "1", "0.8000", "0.8000", "0.8000"]
    assert len(row) == 3 + 2 + 12
    evaluate(tmp_path)  # what Dice alone needs is there
    assert (tmp_path / "out" / "subsets.csv").read_text() == EXPECTED
    others = {**lesions, "additional_metrics": {"lesion_wise": LesionWiseMetric(1, 0.0)}}
    assert len(handler(tmp_path, **others).cases_left()) == 2


def test_columns_of_another_number_than_a_metric_has_are_refused(tmp_path):
    with pytest.raises(ValueError, match="metric 'lesion_wise' has 12 scores, not 24 columns"):
        evaluate(tmp_path, **LESIONS, columns={"lesion_wise": COLUMNS})


def test_maps_are_scored_on_the_labels_grid(tmp_path):
    """Cropping the image changes nothing once the maps are brought back; what was not run stays so outside the crop."""

    def seen(image):
        return image.nan_to_num().abs().amax(0, keepdim=True) > 0.2

    crop = CropForegroundd("image", "image", select_fn=seen)
    scores = handler(tmp_path)
    evaluator_of(scores, Threshold(), crop, PrepareBatchExtraInput({"grid": "label"})).run()
    written(scores)
    assert (tmp_path / "out" / "subsets.csv").read_text() == EXPECTED


def test_means_of_the_papers_subsets_give_its_table_3():
    """SwinUNETR, whole tumour: Table 6 of PGO has the subsets' means, Table 3 what is made of them."""
    means = [38.41, 47.03, 56.17, 56.26, 67.75, 60.44, 61.81, 58.72, 56.75, 49.41, 69.41, 67.51, 59.86, 60.38, 68.87]
    modalities = ["t1", "t2", "t1ce", "flair"]
    scores = DataFrame({"case": "a", "subset": list(missing_counts(modalities)), "dice_WT": means})
    lines = subset_markdown(scores, modalities).splitlines()
    head = lines.index("|  | all subsets | full | 1 missing | 2 missing | 3 missing |")
    cells = [cell.strip().split(" ± ") for cell in lines[head + 2].strip("|").split("|")[1:]]
    found = [[round(float(number), 1) for number in cell] for cell in cells]
    assert found == [[58.6, 8.6], [68.9], [64.3, 4.9], [59.1, 6.1], [49.5, 8.5]]  # the paper: 8.46 and 7.40


def test_what_cannot_be_used_is_named(tmp_path):
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
