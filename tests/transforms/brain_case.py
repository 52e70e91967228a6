"""A segmented head, and how it is saved."""

import json

import nibabel
import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, CropForegroundd, Invertd, Orientationd

from shared.transforms import (
    LoadImageModalitiesd,
    NormalizeInBraind,
    NoteInputsd,
    SaveImageCased,
    SegmentOnGridd,
    StackModalitiesd,
    brain_of_normalized,
)

MODALITIES = ["t1ce", "flair"]
AFFINE = np.array([[-0.9, 0.1, 0.2, 40.0], [0.1, -1.1, 0.1, 30.0], [0.05, 0.1, 5.0, -20.0], [0, 0, 0, 1]])
PREPROCESSING = Compose(
    [
        NoteInputsd(MODALITIES),
        LoadImageModalitiesd(MODALITIES),
        StackModalitiesd(MODALITIES),
        Orientationd("image", "RAS", labels=None),
        NormalizeInBraind(),
        CropForegroundd("image", "image", select_fn=brain_of_normalized),
    ]
)


def segmented_head(folder):
    """A head read from an oblique, anisotropic file; the prediction finds what is brighter than its mean."""
    head = np.zeros((30, 26, 12), np.float32)
    head[4:25, 3:24, 2:10] = 100 + 50 * np.random.default_rng(0).random((21, 21, 8))
    nibabel.save(nibabel.Nifti1Image(head, AFFINE), folder / "P1_flair.nii.gz")
    data = PREPROCESSING({"case": "P1", "flair": str(folder / "P1_flair.nii.gz")})
    bright = data["image"][1].as_tensor()
    logits = torch.stack([-bright, torch.full_like(bright, -99), torch.full_like(bright, -99), bright])
    data["pred"] = MetaTensor(logits, affine=data["image"].affine)
    return head, SegmentOnGridd()(Invertd("image", PREPROCESSING, nearest_interp=False)(data))


def saver(folder, **options):
    metadata = folder / "metadata.json"
    metadata.write_text(json.dumps({"name": "Test bundle", "version": "0.1.0"}))
    names = ["necrosis", "oedema", "enhancing"]
    return SaveImageCased(str(folder / "out"), MODALITIES, names, metadata_path=str(metadata), **options)


def draw_nothing(monkeypatch):
    """Make the figure an empty file, which is there sooner."""
    monkeypatch.setitem(SaveImageCased.__call__.__globals__, "draw_overlay", lambda *data, **named: data[2].touch())
