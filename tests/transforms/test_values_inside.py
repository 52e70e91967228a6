import numpy as np
import torch

from shared.transforms import values_inside as module
from shared.transforms.values_inside import values_inside


def test_values_and_order_are_those_of_boolean_indexing(monkeypatch):
    monkeypatch.setattr(module, "SLAB", 50)  # several slabs
    volume = torch.randn(9, 6, 5)
    inside = volume > 0.3
    found = values_inside(volume, inside)
    assert found.dtype == torch.float64
    np.testing.assert_array_equal(found, volume[inside].double())
    assert len(values_inside(volume, volume > 99)) == 0
