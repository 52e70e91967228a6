"""Weights of modalities and sums by them, worked out by hand."""

import torch

from shared.networks.weighted_sum import equal_weights, weighted_sum


def test_weights_are_equal_over_the_available_modalities():
    filled = torch.tensor([[True, True, False], [True, False, False]])
    assert equal_weights(filled).tolist() == [[0.5, 0.5, 0], [1, 0, 0]]


def test_weighted_sum_of_two_modalities_by_hand():
    packed = torch.stack([torch.full((3, 2, 2, 2), 4.0), torch.arange(24.0).view(3, 2, 2, 2)])[None]
    expected = 1 + 0.75 * packed[:, 1]
    torch.testing.assert_close(weighted_sum(packed, torch.tensor([[0.25, 0.75]])), expected)
