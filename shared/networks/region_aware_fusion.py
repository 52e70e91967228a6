"""Region-aware fusion of RFNet: modalities are weighed differently in each region."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .conv_blocks import ConvNormAct
from .modality_concat import ConcatConvNormAct

__all__ = ["RegionAwareFusion", "RegionMaps"]


class RegionMaps(nn.Module):
    """Where the regions are, from the available modalities of one level and the decoder below it.

    The probability map prediction of RFNet (Ding et al., "RFNet: Region-aware Fusion Network for Incomplete
    Multi-modal Brain Tumor Segmentation", ICCV 2021).

    Args:
        channels: C of one modality.
        num_modalities: M.
        num_regions: R, the classes.
        decoder_channels: of what comes up from the level below; 0 on the deepest level.
    """

    def __init__(self, channels: int, num_modalities: int, num_regions: int, decoder_channels: int) -> None:
        super().__init__()
        self.embed = ConcatConvNormAct(channels, num_modalities, max(channels // 4, 1), channels)
        self.head = nn.Sequential(
            ConvNormAct(decoder_channels + channels, 16, kernel_size=1), nn.Conv3d(16, num_regions, kernel_size=1)
        )

    def forward(self, packed: Tensor, slots: Tensor, decoded: Tensor | None = None) -> Tensor:
        """Return logits (B, R, *spatial).

        Args:
            packed: (B, K, C, *spatial), zero in slots that are not filled.
            slots: integer (B, K), the modality in every slot.
            decoded: (B, `decoder_channels`, *spatial).
        """
        embedded = self.embed(packed, slots)
        return self.head(embedded if decoded is None else torch.cat([decoded, embedded], dim=1))


class RegionAwareFusion(nn.Module):
    """Weigh the modalities in each region by what they show there, next to a plain fusion.

    The region-aware fusion module of RFNet (Ding et al., ICCV 2021): with features x_m and region probabilities p_r,
    the weights w_rm = sigmoid(g_r(x_1 p_r, ..., x_M p_r, p_r)), g_r of spatial means, and sum_m w_rm x_m p_r.

    As printed, every modality is multiplied with every region, which needs a tensor (B, M, R, C, H, W, D). Here the
    means are one matrix product, (R, voxels) by (voxels, K C). The sum is another, (R, K) by (K, C voxels), and then
    multiplied by p_r. The numbers are the same.

    Args:
        channels: C of one modality, and of the output.
        num_modalities: M.
        num_regions: R.
    """

    def __init__(self, channels: int, num_modalities: int, num_regions: int) -> None:
        super().__init__()
        self.num_modalities = num_modalities
        self.weigh = nn.ModuleList(
            nn.Sequential(
                nn.Linear(num_modalities * channels + 1, 128),
                nn.LeakyReLU(0.2, inplace=True),
                nn.Linear(128, num_modalities),
            )
            for _ in range(num_regions)
        )
        self.regions = nn.Sequential(
            ConvNormAct(num_regions * channels, channels, kernel_size=1),
            ConvNormAct(channels, channels),
            ConvNormAct(channels, channels // 2, kernel_size=1),
        )
        self.shortcut = ConcatConvNormAct(channels, num_modalities, channels, channels // 2)
        for weigh in self.weigh:
            nn.init.kaiming_normal_(weigh[0].weight)
            nn.init.kaiming_normal_(weigh[2].weight)

    def forward(self, packed: Tensor, slots: Tensor, probabilities: Tensor) -> Tensor:
        """Return (B, C, *spatial).

        Args:
            packed: (B, K, C, *spatial), zero in slots that are not filled.
            slots: integer (B, K), the modality in every slot.
            probabilities: (B, R, *spatial), summing to one over R.
        """
        weighted = self.weighted_by_region(packed, slots, probabilities)
        return torch.cat([self.regions(weighted.flatten(1, 2)), self.shortcut(packed, slots)], dim=1)

    def weighted_by_region(self, packed: Tensor, slots: Tensor, probabilities: Tensor) -> Tensor:
        """Return the sum over modalities of w_rm x_m p_r, (B, R, C, *spatial); arguments as in `forward`."""
        batch, num_slots, channels = packed.shape[:3]
        maps = probabilities.float().flatten(2)  # (B, R, voxels); 1 / shares would overflow in half precision
        features = packed.flatten(3)  # (B, K, C, voxels)
        shares = maps.mean(dim=2, keepdim=True) + 1e-7
        root = maps.shape[2] ** -0.5  # 1 / voxels in two parts: in half precision a plain sum would overflow
        relative = (maps * (root / shares)).to(packed.dtype)  # 0 to root of voxels: where a region is faint as well
        maps, shares = maps.to(packed.dtype), shares.to(packed.dtype)
        pooled = torch.matmul(relative, features.flatten(1, 2).transpose(1, 2)) * root
        pooled = pooled.unflatten(2, [num_slots, channels])

        at_slot = slots.unsqueeze(1).expand(-1, maps.shape[1], -1)  # (B, R, K)
        everything = pooled.new_zeros([batch, maps.shape[1], self.num_modalities, channels])
        everything = everything.scatter(2, at_slot.unsqueeze(3).expand(-1, -1, -1, channels), pooled)
        described = torch.cat([everything.flatten(2), shares], dim=2)  # (B, R, M C + 1)
        weights = torch.stack([weigh(described[:, region]) for region, weigh in enumerate(self.weigh)], dim=1)
        weights = weights.sigmoid().gather(2, at_slot)

        weighted = torch.matmul(weights, features.flatten(2)).unflatten(2, [channels, maps.shape[2]])
        return (weighted * maps.unsqueeze(2)).unflatten(3, packed.shape[3:])
