"""Masked autoencoder that pre-trains M3AE and its learned image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import InputError
from .m3ae import M3AE
from .present_modalities import available_modalities, masked

__all__ = ["MaskedModalities"]


class MaskedModalities(nn.Module):
    """Restore the modalities from few visible cubes of those that are kept; the rest shows the learned image.

    The pre-training of Liu et al., "M3AE: Multimodal Representation Learning for Brain Tumor Segmentation with Missing
    Modalities", AAAI 2023. The state dict has the network's weights under "network.", where a training that starts from
    them finds them; its heads are left as they are.

    In training `forward` returns a dictionary: `images`, all modalities as restored (B, M, *spatial), `learned_image`
    (M, *box), and `present` and `available`, boolean (B, M). In evaluation it returns the images.

    Args:
        network: what is pre-trained; its learned image becomes a parameter.
        hidden_share: of the cubes of all modalities, absent ones counted.
        cube: edge of a cube in voxels.
    """

    def __init__(self, network: M3AE, hidden_share: float = 0.875, cube: int = 16) -> None:
        super().__init__()
        if not 0 <= hidden_share < 1 or cube < 1:
            raise InputError(
                f"hidden_share must be at least 0 and below 1, cube 1 or more, got {hidden_share} and {cube}."
            )
        self.network = network
        self.network.learned_image.learn()
        for heads in (network.head, network.coarse_heads):
            heads.requires_grad_(False)
        self.restore = nn.Conv3d(network.features, network.num_modalities, kernel_size=1)
        self.hidden_share = hidden_share
        self.cube = cube

    def forward(self, image: Tensor, keep: Tensor | None = None) -> dict[str, Tensor] | Tensor:
        """Restore images (B, M, *spatial) in which NaN marks absent modalities; `keep` (B, M) hides more of them."""
        present, available = available_modalities(image, keep)
        visible = self.visible(available, list(image.shape[2:]))
        seen = torch.where(visible, masked(image, present), self.network.learned(image))
        images = self.restore(self.network.decode(seen)[2])
        if not self.training:
            return images
        learned = self.network.learned_image.values.squeeze(0)
        return {"images": images, "learned_image": learned, "present": present, "available": available}

    def visible(self, available: Tensor, size: list[int]) -> Tensor:
        """Draw the cubes that are seen, boolean (B, M, *size); at most those of the available modalities (B, M)."""
        batch, modalities = available.shape
        cubes = [-(-length // self.cube) for length in size]
        scores = torch.rand(batch, modalities, *cubes, device=available.device)
        scores = scores.where(available.view(batch, modalities, 1, 1, 1), -1.0).flatten(1)
        count = max(1, round((1 - self.hidden_share) * scores.shape[1]))
        chosen = scores.topk(count, dim=1).indices
        seen = torch.zeros_like(scores).scatter(1, chosen, 1.0).bool() & (scores >= 0)
        seen = seen.view(batch, modalities, *cubes)
        for axis, length in enumerate(size, start=2):
            seen = seen.repeat_interleave(self.cube, dim=axis).narrow(axis, 0, length)
        return seen
