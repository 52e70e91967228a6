"""A label map with a file name, made of a list of values."""

import torch
from monai.data import MetaTensor


def label_of(values, dtype=torch.float32, name="a_seg.nii"):
    return MetaTensor(torch.tensor(values, dtype=dtype).view(1, -1, 1, 1), meta={"filename_or_obj": name})
