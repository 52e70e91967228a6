import pytest
from torch.multiprocessing.reductions import StorageWeakRef

from ci.timing import inference_memory
from shared.inferers import AveragedInferer
from shared.transforms import LeaveGridd, SegmentOnGridd


def test_allowed_memory_by_hand():
    """480 x 480 x 300 voxels of 4 bytes are 276.48 MB; 1.5 times four classes, and four modalities."""
    assert inference_memory.megabytes_allowed() == pytest.approx(10 * 276.48)


def test_image_and_mask_are_given_back_before_the_label_map_is_made_and_logits_after_it(tmp_path, monkeypatch):
    """The benchmark's own case, smaller. No measurement, so that nothing depends on an allocator."""
    volumes, in_memory = {}, []
    infer, leave, segment = AveragedInferer.__call__, LeaveGridd.__call__, SegmentOnGridd.__call__

    def note(self, inputs, *others):
        logits = infer(self, inputs, *others)
        volumes.update(image=StorageWeakRef(inputs.untyped_storage()), logits=StorageWeakRef(logits.untyped_storage()))
        return logits

    def note_mask(self, data):
        volumes["brain"] = StorageWeakRef(data["brain"].untyped_storage())
        return leave(self, data)

    def look(self, data):
        in_memory.append({name for name, volume in volumes.items() if not volume.expired()})
        segmented = segment(self, data)
        in_memory.append({name for name, volume in volumes.items() if not volume.expired()})
        return segmented

    monkeypatch.setattr(inference_memory, "SHAPE", (40, 20, 16))
    monkeypatch.setattr(AveragedInferer, "__call__", note)
    monkeypatch.setattr(LeaveGridd, "__call__", note_mask)
    monkeypatch.setattr(SegmentOnGridd, "__call__", look)
    monkeypatch.setattr("shared.transforms.save_case.draw_overlay", lambda image, classes, path, **named: path.touch())
    workflow = inference_memory.large_case(tmp_path)
    workflow.parser.get_parsed_content("evaluator").run()
    workflow.parser.get_parsed_content("dataset").raise_failures()
    assert volumes.keys() == {"image", "logits", "brain"}
    assert in_memory == [{"logits"}, set()]
    assert len(list(tmp_path.glob("out/*/*_seg.nii.gz"))) == 1
