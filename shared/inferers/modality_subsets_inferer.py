"""Segment an image with every subset of its modalities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import Tensor

from ..data import NOT_RUN, modality_subsets
from ..networks.present_modalities import present_modalities
from ..transforms import segment_on_grid

__all__ = ["ModalitySubsetsInferer"]


class ModalitySubsetsInferer(Inferer):
    """Run another inferer once per non-empty subset of the modalities, all others hidden (NaN).

    An image is read and normalised once for all subsets; of every prediction only the class map is kept. A subset that
    needs a modality which an image lacks is not run: its map is `NOT_RUN` everywhere.

    Args:
        inferer: gives logits (B, C, *spatial), of classes that exclude one another.
    """

    def __init__(self, inferer: Inferer) -> None:
        super().__init__()
        self.inferer = inferer

    def __call__(
        self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, grid: MetaTensor | None = None, **kwargs: Any
    ) -> Tensor:
        """Segment images in which an absent modality is a channel with NaN.

        Args:
            inputs: (B, M, *spatial).
            network: as the other inferer takes it.
            *args: further arguments of the other inferer.
            grid: (B, ..., *grid_spatial), a batch on the grid that the class maps get, such as the labels: see
                `segment_on_grid`. None: that of the images.
            **kwargs: further arguments of the other inferer.

        Returns:
            (B, 2^M - 1, *grid_spatial), uint8: class maps in the order of `modality_subsets`, with the grid's metadata.
        """
        grid = inputs if grid is None else grid
        images = convert_to_tensor(inputs, track_meta=False)
        present = present_modalities(images)  # (B, M)
        subsets = torch.tensor(modality_subsets(images.shape[1]), device=images.device)  # (S, M)
        maps = images.new_full((len(images), len(subsets), *grid.shape[2:]), NOT_RUN, dtype=torch.uint8)
        affines = list(zip(_affines(inputs), _affines(grid), strict=True))
        for place, subset in enumerate(subsets):
            has_all = present[:, subset].all(dim=1)
            if has_all.any():
                hidden = images[has_all]  # a copy
                hidden[:, ~subset] = torch.nan
                logits = self.inferer(hidden, network, *args, **kwargs)
                for case, case_logits in zip(has_all.nonzero().flatten().tolist(), logits, strict=True):
                    maps[case, place] = segment_on_grid(case_logits, *affines[case], grid.shape[2:])[0][0]
        return convert_to_dst_type(maps, grid, dtype=torch.uint8, device=maps.device)[0]


def _affines(batch: Tensor) -> list[Tensor]:
    """Affine matrix of every image in a batch; plain tensors have the identity."""
    if not isinstance(batch, MetaTensor):
        return [torch.eye(4, dtype=torch.float64)] * len(batch)
    return list(batch.affine.expand(len(batch), -1, -1))
