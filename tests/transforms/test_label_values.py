from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.transforms import LoadImage

from shared.errors import InputError
from shared.transforms import MapLabel
from shared.transforms.label_values import round_values, values_of_files, values_of_label


def write_scaled(path, stored, slope, inter=0.0, dtype=np.uint8):
    nifti = nibabel.Nifti1Image(np.array(stored, dtype).reshape(-1, 1, 1), np.eye(4))
    nifti.header.set_slope_inter(slope, inter)
    nibabel.save(nifti, path)
    return str(path)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "A.NII.GZ", "a.Nii"])
@pytest.mark.parametrize(("dtype", "largest"), [(np.uint8, 255), (np.int16, 32767)])
def test_a_label_stored_with_a_scale_factor(tmp_path, name, dtype, largest):
    """4 is stored as the largest number, 1 as 63.75 rounded to 64: 1.0039 when read."""
    slope = 4 / largest
    stored = [round(value / slope) for value in (0, 1, 2, 4)]
    path = write_scaled(tmp_path / "written.nii.gz", stored, slope, dtype=dtype)
    if not name.endswith(("gz", "GZ")):
        nibabel.save(nibabel.load(path), tmp_path / "written.nii")
        path = str(tmp_path / "written.nii")
    (tmp_path / "renamed").mkdir()
    named = tmp_path / "renamed" / name
    values = LoadImage(ensure_channel_first=True)(path)
    named.write_bytes(Path(path).read_bytes())
    values.meta["filename_or_obj"] = str(named)
    assert MapLabel("brats2021")(values).flatten().tolist() == [0, 1, 2, 3]
    assert values_of_files([str(named)]) == {0, 1, 2, 4}


def test_half_a_step_is_the_limit(tmp_path):
    path = write_scaled(tmp_path / "p.nii.gz", [0, 255], 1 / 25.5)
    step = 1 / 25.5
    assert round_values(torch.tensor([[1 + step / 2 - 1e-3]]), path).item() == 1
    with pytest.raises(InputError, match=r"p.nii.gz: .* such as 1\.0206 \(stored with scale factor 0\.03922\)"):
        round_values(torch.tensor([[1.0, 1 + step / 2 + 1e-3]]), path)


@pytest.mark.parametrize("slope", [1 / 255, 0.25, 0.5])
def test_a_probability_stored_with_a_scale_factor_is_no_label(tmp_path, slope):
    path = write_scaled(tmp_path / "p.nii.gz", [0, 1, 2, 3], slope)
    image = LoadImage(ensure_channel_first=True)(path)
    if slope == 1 / 255:
        image = image * 40
    with pytest.raises(InputError, match="not a label map"):
        round_values(image.as_tensor(), path)


def test_different_values():
    assert values_of_label(torch.tensor([[3.0, 0.0, -1.0, 3.0]])) == {-1, 0, 3}
    assert values_of_label(torch.tensor([[3, 3]])) == {3}
