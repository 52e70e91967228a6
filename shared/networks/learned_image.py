"""A learned image that replaces absent modalities, at any position in the brain and on any grid."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.data import MetaTensor
from torch import Tensor, nn
from torch.nn import functional

from ..errors import InputError

__all__ = ["FRAME", "LearnedImage", "frame_of", "position_in_brain"]

FRAME = "case_frame"  # name in the metadata of an image, see `shared.transforms.NoteFramed`


class LearnedImage(nn.Module):
    """One value per modality and place of a box around the brain's centre, trilinear in between.

    A buffer that starts at 0, the brain's mean and the value of air. `learn` makes it a parameter.

    Args:
        num_modalities: M.
        extent_mm: edges of the box along the axes of a case; beyond it the border's values count.
        spacing_mm: edges of its voxels.
    """

    def __init__(self, num_modalities: int, extent_mm: Sequence[float], spacing_mm: Sequence[float]) -> None:
        super().__init__()
        if len(extent_mm) != 3 or len(spacing_mm) != 3 or min(*extent_mm, *spacing_mm) <= 0:
            raise InputError(
                f"extent_mm and spacing_mm must be three numbers above 0, got {extent_mm!r} and {spacing_mm!r}."
            )
        size = [max(2, round(edge / step)) for edge, step in zip(extent_mm, spacing_mm, strict=True)]
        half = [step * (length - 1) / 2 for step, length in zip(spacing_mm, size, strict=True)]
        self.register_buffer("values", torch.zeros(1, num_modalities, *size))
        self.register_buffer("half_mm", torch.tensor(half), persistent=False)  # from the centre to the last voxels
        self.register_buffer("spacing_mm", torch.tensor(spacing_mm, dtype=torch.float32), persistent=False)

    def learn(self) -> None:
        """Make the values a parameter."""
        values = self.values
        del self.values
        self.values = nn.Parameter(values)

    def forward(self, position: Tensor, size: list[int]) -> Tensor:
        """Return the values at the voxels of images, float32 (B, M, *size).

        Args:
            position: (B, 3, 4), from a voxel's indices to mm along the axes of the case from its middle.
            size: of the images, (H, W, D).
        """
        scale = position.float() / self.half_mm.float().view(1, 3, 1)
        half = (torch.tensor(size, device=position.device, dtype=torch.float32) - 1) / 2
        # From [-1, 1] in the image to [-1, 1] in the box; `affine_grid` counts the axes from the last one.
        turn, middle = scale[:, :, :3] * half, scale[:, :, :3] @ half + scale[:, :, 3]
        theta = torch.cat([turn.flip([1, 2]), middle.flip([1]).unsqueeze(2)], dim=2)
        values = self.values.float().expand(theta.shape[0], -1, -1, -1, -1)
        grid = functional.affine_grid(theta, [theta.shape[0], 1, size[0], size[1], size[2]], align_corners=True)
        return functional.grid_sample(values, grid, mode="bilinear", padding_mode="border", align_corners=True)

    def in_the_middle(self, batch: int, size: list[int]) -> Tensor:
        """Return the position (B, 3, 4) of images whose middle is the brain's centre, with the voxels of the box."""
        half = (torch.tensor(size, device=self.spacing_mm.device, dtype=torch.float32) - 1) / 2
        return self.position(-half.unsqueeze(0).expand(batch, -1))

    def position(self, first_voxel: Tensor) -> Tensor:
        """Return the position (B, 3, 4) of images whose first voxels are that far from the centre, in voxels (B, 3)."""
        spacing = self.spacing_mm.float()
        turn = spacing.diag().unsqueeze(0).expand(first_voxel.shape[0], -1, -1)
        return torch.cat([turn, (first_voxel * spacing).unsqueeze(2)], dim=2)


def frame_of(affine: Tensor, size: Sequence[int]) -> Tensor:
    """Return the matrix (4, 4) from the affine's space to mm along an image's own axes from its middle, float64.

    Args:
        affine: (4, 4), of the image.
        size: of the image, (H, W, D).
    """
    frame = affine.to(torch.float64).clone()
    frame[:3, 3] += frame[:3, :3] @ ((torch.tensor(size, dtype=torch.float64, device=frame.device) - 1) / 2)
    frame[:3, :3] = functional.normalize(frame[:3, :3], dim=0)
    return frame.inverse()


def position_in_brain(images: MetaTensor) -> Tensor:
    """Return where the voxels of a batch of images are in their brains, from their affines: (B, 3, 4), in mm.

    The metadata have the axes and the middle of the whole case, see `shared.transforms.NoteFramed`, whatever crops,
    flips and turns came after; without them those of the image count.

    Args:
        images: (B, M, *spatial).
    """
    affines = images.affine.to(torch.float64).expand(len(images), -1, -1)
    frames = images.meta.get(FRAME)
    if frames is None:
        frames = torch.stack([frame_of(affine, images.shape[2:]) for affine in affines])
    position = torch.as_tensor(frames, dtype=torch.float64, device=affines.device) @ affines
    return position[:, :3].float().to(images.device)
