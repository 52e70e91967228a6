"""Two cases of T2 and ADC, a network that thresholds them, and their evaluation over every subset of the two."""

import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor
from monai.engines import SupervisedEvaluator, default_prepare_batch
from monai.inferers import SimpleInferer

from shared.inferers import ModalitySubsetsInferer
from shared.metrics import Hausdorff95Metric
from shared.reports import SubsetEvaluation, subset_report

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


def written(scores, draws=False):
    """Write the tables; drawing takes longer than scoring."""
    with pytest.MonkeyPatch.context() as patch:
        if not draws:
            patch.setattr(subset_report, "draw_heat_maps", lambda path, *rest: path.write_text("a picture"))
        scores.write()


def evaluate(folder, draws=False, **options):
    """As the configuration does it: what is left, then the tables. Return the engine and how often a network ran."""
    scores, network = handler(folder, **options), Threshold()
    evaluator = evaluator_of(scores, network)
    if len(evaluator.data_loader.dataset):
        evaluator.run()
    written(scores, draws)
    return evaluator, network.calls


HAUSDORFF = {
    "additional_metrics": {"hausdorff_95": Hausdorff95Metric()},
    "columns": {"hausdorff_95": ["hausdorff_95_mm_lesion", "hausdorff_95_mm_all"], "lesion_wise": []},
}
