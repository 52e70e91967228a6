import pytest
import torch
from monai.data import MetaTensor, list_data_collate
from monai.engines import SupervisedEvaluator
from monai.inferers import Inferer
from monai.transforms import Compose
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils.data import DataLoader

from shared.handlers import HoldVolumesOnce
from shared.transforms import LeaveGridd, SegmentOnGridd, ShownModalityd

MODALITIES = ["t1", "flair"]
AFFINE = torch.diag(torch.tensor([1.0, 2, 3, 1]))


class Twice(Inferer):
    """Two classes' logits from two modalities; notes where the image is in memory."""

    def __call__(self, inputs, network, *args, **kwargs):
        self.image = StorageWeakRef(inputs.untyped_storage())
        return inputs * 2


def run(handlers, free):
    """Return what postprocessing gives, and what of [image, brain, logits] is in memory when it is done."""
    torch.manual_seed(0)
    image, brain = (
        MetaTensor(torch.randn(2, 5, 6, 7), AFFINE),
        MetaTensor(torch.ones(1, 5, 6, 7, dtype=torch.uint8), AFFINE),
    )
    inferer, memory, found = Twice(), [], {}
    case = {"image": image, "brain": brain, "label": image[:1] > 0, "case": "a"}

    def note(data):
        memory.extend([inferer.image, *(StorageWeakRef(data[key].untyped_storage()) for key in ("brain", "pred"))])
        return data

    def look(data):
        found.update(data)
        found["in memory"] = [not volume.expired() for volume in memory]
        return data

    leave = [LeaveGridd("brain")] if free else []
    shown = ShownModalityd(MODALITIES, free_image=free)
    segment = SegmentOnGridd("pred", "brain", free_logits=free)
    SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader([case], collate_fn=list_data_collate),
        network=torch.nn.Identity(),
        inferer=inferer,
        postprocessing=Compose([note, *leave, shown, segment, look]),
        val_handlers=handlers,
    ).run()
    return found


def test_image_mask_and_logits_are_given_back_before_a_case_is_done_and_the_results_stay():
    kept, freed = run([], free=False), run([HoldVolumesOnce()], free=True)
    assert kept["in memory"] == [True, True, True]
    assert freed["in memory"] == [False, False, False]
    assert freed["brain"].shape == kept["brain"].shape
    assert freed["brain"].untyped_storage().nbytes() == 1
    for key in ("image", "label", "pred", "uncertainty"):
        assert torch.equal(freed[key], kept[key])
    for key in ("image", "pred", "uncertainty", "brain"):
        assert torch.equal(freed[key].affine, kept[key].affine)
    assert freed["image"].shape == (1, 5, 6, 7)


@pytest.mark.parametrize("handlers", [[], [HoldVolumesOnce()]])
def test_an_engine_holds_image_and_mask_without_the_handler(handlers):
    assert run(handlers, free=True)["in memory"] == [not handlers, not handlers, False]
