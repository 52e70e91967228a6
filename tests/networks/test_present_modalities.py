import pytest
import torch
from monai.data import MetaTensor

from shared.networks import present_modalities


@pytest.mark.parametrize("size", [(3, 4), (3, 4, 5)])
@pytest.mark.parametrize("kind", [torch.Tensor, MetaTensor])
def test_a_modality_with_any_nan_is_absent(size, kind):
    image = torch.zeros(2, 3, *size)
    image[0, 1] = torch.nan
    image[1, 2].view(-1)[-1] = torch.nan  # what a rotation may leave of the mark
    image[1, 0] = torch.inf
    assert present_modalities(image.as_subclass(kind)).tolist() == [[True, False, True], [True, True, False]]
