"""A segmented picture of 8 x 10 pixels, and how it is saved."""

import json

import numpy as np
import torch
from monai.data import MetaTensor
from PIL import Image

from shared.transforms import NoteInputsd, SavePictureCased

REGIONS = ["stroma", "epithelium", "lumen"]
RESULTS = {"P1_seg.png", "P1_uncertainty.tif", "P1_overlay.png", "P1.json"}


def segmented_picture():
    """8 x 10 pixels: a gland of 12 pixels, 2 of them lumen, and one of 5; uncertain by a tenth of the column."""
    regions = torch.zeros(1, 8, 10, dtype=torch.uint8)
    regions[:, 1:4, 1:5], regions[:, 2, 2:4], regions[:, 6, 3:8] = 1, 2, 1
    objects = torch.zeros(1, 8, 10, dtype=torch.int32)
    objects[:, 1:4, 1:5], objects[:, 6, 3:8] = 1, 7
    random = torch.Generator().manual_seed(0)
    data = {
        "case": "P1",
        "image": MetaTensor(torch.rand(3, 8, 10, generator=random), meta={"filename_or_obj": "as/read.bmp"}),
        "pred": MetaTensor(regions),
        "uncertainty": MetaTensor(torch.arange(10).div(10).expand(1, 8, 10).clone()),
        "class_probabilities": torch.tensor([0.25, 0.75]),
        "pred_instances": objects,
    }
    noted = NoteInputsd([])({"image": "slides/P1.bmp"})
    return data | {"inputs": noted["inputs"]}


def saver(folder, **options):
    metadata = folder / "metadata.json"
    metadata.write_text(json.dumps({"name": "Test bundle", "version": "0.1.0"}))
    settings = {"region_names": REGIONS, "class_names": ["benign", "malignant"], "pixel_size_um": 0.5, **options}
    return SavePictureCased(str(folder / "out"), metadata_path=str(metadata), **settings)


def read(path):
    with Image.open(path) as image:
        return np.array(image), image.info


def record_in(folder):
    return json.loads((folder / "out/P1/P1.json").read_text())
