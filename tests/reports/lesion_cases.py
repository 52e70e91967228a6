"""Images whose lesions are found, half found, missed or invented, and their evaluation."""

import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor
from monai.engines import SupervisedEvaluator

from shared.reports import LesionEvaluation, lesion_evaluation

CLASSES = ["normal", "benign", "malignant"]
FILES = {"evaluation.csv", "evaluation.md", "evaluation.png", "confusion.png", "roc.png", "reliability.png"}
EXPECTED = """\
case,true_class,dice,iou,sensitivity,precision,lesion_found_in_normal,class_correct,probability_normal,\
probability_benign,probability_malignant,macro_f1,macro_precision,auc,class_expected_calibration_error,\
mask_expected_calibration_error
benign (1),benign,0.8889,0.8000,0.8000,1.0000,,1.0000,0.1500,0.7500,0.1000,,,,,
malignant (1),malignant,0.0000,0.0000,0.0000,0.0000,,0.0000,0.6500,0.2500,0.1000,,,,,
malignant (2),malignant,0.6667,0.5000,1.0000,0.5000,,1.0000,0.1000,0.0500,0.8500,,,,,
normal (1),normal,,,,,0.0000,1.0000,0.9500,0.0300,0.0200,,,,,
normal (2),normal,,,,,1.0000,1.0000,0.5500,0.3500,0.1000,,,,,
mean,,0.5185,0.4333,0.6000,0.5000,0.5000,0.8000,0.4800,0.2860,0.2340,,,,,
standard deviation,,0.4626,0.4041,0.5292,0.5000,0.7071,0.4472,0.3564,0.2924,0.3461,,,,,
pooled,,0.6154,0.4444,0.5714,0.6667,0.5000,0.8000,,,,0.8222,0.8889,0.8889,0.3100,0.1600
"""


def rectangle(rows, columns):
    mask = torch.zeros(1, 10, 20, dtype=torch.uint8)
    mask[:, slice(*rows), slice(*columns)] = 1
    return mask


def item(name, true, found, probabilities, uncertainty=0.05):
    """The class is in the case's name, as in BUSI."""
    return {
        "case": name,
        "image": torch.zeros(3, 10, 20),
        "label": MetaTensor(true.to(torch.int8)),
        "class": CLASSES.index(name.split()[0]),
        "found": MetaTensor(found),
        "found_uncertainty": MetaTensor(torch.full((1, 10, 20), uncertainty)),
        "found_probabilities": torch.tensor(probabilities),
    }


def items():
    """A lesion of 50 pixels found but for 10, one missed, one of 40 found twice as large; 10 found where none is."""
    none = rectangle((0, 0), (0, 0))
    return [
        item("benign (1)", rectangle((0, 5), (0, 10)), rectangle((0, 4), (0, 10)), [0.15, 0.75, 0.1]),
        item("malignant (1)", rectangle((5, 10), (0, 10)), none, [0.65, 0.25, 0.1]),
        item("malignant (2)", rectangle((0, 4), (0, 10)), rectangle((0, 4), (0, 20)), [0.1, 0.05, 0.85]),
        item("normal (1)", none, none, [0.95, 0.03, 0.02], uncertainty=0.25),
        item("normal (2)", none, rectangle((0, 1), (0, 10)), [0.55, 0.35, 0.1], uncertainty=0.25),
    ]


def postprocess(data):
    return {
        **data,
        "pred": data["found"],
        "uncertainty": data["found_uncertainty"],
        "class_probabilities": data["found_probabilities"],
    }


def evaluate(folder, cases, class_names=CLASSES, draws=False, **options):
    """Return the metrics. Without `draws`, figures are empty files, since drawing takes longer than scoring."""
    table = LesionEvaluation(str(folder), class_names, title="Breasts", **options)
    evaluator = SupervisedEvaluator(
        device="cpu",
        val_data_loader=DataLoader(Dataset(cases), batch_size=2 if all("class" in case for case in cases) else 1),
        network=torch.nn.Identity(),
        postprocessing=postprocess,
        val_handlers=[table],
    )
    with pytest.MonkeyPatch.context() as patch:
        for name in () if draws else ("draw_points", "draw_confusion", "draw_roc", "draw_reliability"):
            patch.setattr(lesion_evaluation, name, lambda path, **others: path.write_text(""))
        evaluator.run()
    return evaluator.state.metrics


def rows_in(folder):
    """{case: {column: cell}} of what is not empty."""
    head, *rows = ((folder / "evaluation.csv").read_text()).splitlines()
    rows = [dict(zip(head.split(","), row.split(","), strict=True)) for row in rows]
    return {row.pop("case"): {name: cell for name, cell in row.items() if cell} for row in rows}
