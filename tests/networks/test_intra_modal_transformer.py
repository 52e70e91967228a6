"""Positions of the intra-modal transformer: zero at first, and interpolated on another grid in evaluation."""

import pytest
import torch

from shared.networks.intra_modal_transformer import IntraModalTransformer
from shared.networks.token_transformer import TokenTransformer


def make():
    return IntraModalTransformer(4, 8, [2, 3, 2], TokenTransformer(8, 12, num_heads=2, num_layers=1, dropout_rate=0.0))


def test_positions_begin_at_zero():
    assert not make().positions.any()


@torch.no_grad()
def test_positions_are_interpolated_in_evaluation():
    """Along one axis, three values 0, 3, 6 at the middle of thirds become six: 0, 0.75, 2.25, 3.75, 5.25, 6."""
    within = make().eval()
    ramp = torch.tensor([0.0, 3, 6]).view(1, 3, 1, 1).expand(2, 3, 2, 8)
    within.positions.copy_(ramp.reshape(12, 8))
    interpolated = within.positions_on([2, 6, 3]).unflatten(0, (2, 6, 3))
    expected = torch.tensor([0, 0.75, 2.25, 3.75, 5.25, 6])
    torch.testing.assert_close(interpolated, expected.view(1, 6, 1, 1).expand(2, 6, 3, 8))
    assert within.positions_on([2, 3, 2]) is within.positions


def test_another_grid_in_training_is_refused():
    with pytest.raises(ValueError, match=r"its tokens form a grid \[3, 2, 2\], those of img_size \[2, 3, 2\]"):
        make().positions_on([3, 2, 2])
