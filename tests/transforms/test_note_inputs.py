import json
import time
from pathlib import Path

import torch
from monai.data import DataLoader, Dataset, decollate_batch

from shared.transforms import NoteInputsd


def test_files_and_time_survive_a_data_loader():
    cases = [
        {
            "case": "a",
            "flair": "a_flair.nii.gz",
            "t1": ["a.nii.gz", 2],
            "label": "a_seg.nii.gz",
            "brain": Path("mask.nii"),
        },
        {
            "case": "b",
            "flair": "b_flair.nii.gz",
            "t1": ["b.nii.gz", 0],
            "label": "b_seg.nii.gz",
            "brain": Path("mask.nii"),
        },
    ]
    noted = [NoteInputsd(["flair", "t1", "t2"])(case) for case in cases]
    noted = [{"case": case["case"], "inputs": case["inputs"]} for case in noted]
    (batch,) = DataLoader(Dataset(noted), batch_size=2)
    first, second = (json.loads(item["inputs"]) for item in decollate_batch(batch))
    assert first["files"] == {"flair": "a_flair.nii.gz", "t1": ["a.nii.gz", 2], "brain": "mask.nii"}
    assert second["files"]["t1"] == ["b.nii.gz", 0]
    assert 0 <= time.time() - first["begun"] < 60


def test_list_of_files_with_a_gap():
    noted = NoteInputsd(["flair", "t1"])({"image": ["flair.nii", None]})
    assert json.loads(noted["inputs"])["files"] == {"image": ["flair.nii", None]}


def test_arrays_are_not_noted_and_nothing_else_changes():
    data = {"image": torch.zeros(1, 2, 2, 2), "flair": torch.zeros(1, 2, 2, 2)}
    noted = NoteInputsd("flair")(data)
    assert json.loads(noted.pop("inputs"))["files"] == {}
    assert noted == data
