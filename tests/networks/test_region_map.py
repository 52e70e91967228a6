"""The region map projects the mean over the available modalities, and no others."""

import torch

from shared.networks.region_map import RegionMap


@torch.no_grad()
def test_region_map_reads_the_mean_of_the_available_modalities():
    region_map, packed = RegionMap(4), torch.randn(2, 3, 4, 5, 5, 5)
    filled = torch.tensor([[True, True, False], [True, False, False]])
    enter, act, last = region_map
    for sample, available in enumerate((2, 1)):
        expected = last(act(enter(packed[sample : sample + 1, :available].mean(dim=1))))
        torch.testing.assert_close(region_map(packed, filled)[sample : sample + 1], expected)
