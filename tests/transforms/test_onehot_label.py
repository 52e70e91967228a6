import pytest
import torch

from shared.errors import InputError
from shared.transforms import onehot_label

CLASSES = 4


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32])
def test_is_that_of_pytorch(dtype):
    label = torch.tensor([[[[0, 3, 1], [2, 2, 0]]], [[[1, 1, 1], [3, 0, 2]]]])
    expected = torch.nn.functional.one_hot(label[:, 0], CLASSES).movedim(-1, 1).bool()
    assert torch.equal(onehot_label(label.to(dtype), CLASSES), expected)


@pytest.mark.parametrize("value", [4, 255, -1, 0.5, float("nan")])
def test_refuses_what_is_no_class(value):
    label = torch.zeros(1, 6, 7)
    label[0, 2, 2] = value
    with pytest.raises(InputError, match=f"values {value} are outside the classes 0 to 3"):
        onehot_label(label[None], CLASSES)


@pytest.mark.parametrize("shape", [(2, 6, 7), (6, 7)])
def test_refuses_more_than_one_channel(shape):
    with pytest.raises(ValueError, match="label must have one channel of class values"):
        onehot_label(torch.zeros(1, *shape), CLASSES)
