"""Paint one head with a tumour on real anatomy, in any of four MR modalities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError
from .brain_extraction import draw_brain_mask
from .head_extras import head_extras
from .head_grid import HeadGrid
from .head_pose import HeadPose
from .lesion_kinds import LESIONS, SHARES
from .mni_maps import load_brain_maps
from .mr_contrasts import BRAIN_MODALITIES, draw_contrast
from .mr_scanner import scan, to_scanner_units
from .mr_signal import LesionLook, Textures, mr_signal

__all__ = ["FINE_MM", "MIXED", "check_brain", "head_size", "paint_brain", "random_stream"]

MIXED = "mixed"
FINE_MM = 1.6  # grids with a finer voxel take the atlas at 1 mm
LEAST_MM = 1.0
EXTENT_MM = (160.0, 192.0, 164.0)  # holds every painted brain
SATURATED_SHARE = 0.12
ANATOMY, LESION, LOOK, MASK = range(4)  # streams of random numbers; each modality has one more


def paint_brain(
    seed: int | Sequence[int],
    size: Sequence[int],
    affine: np.ndarray,
    modalities: Sequence[str] = BRAIN_MODALITIES,
    tumours: str = MIXED,
    free_share: float = 0.07,
) -> dict[str, np.ndarray]:
    """Paint one case; the head, its tumour and its contrasts are the same at every spacing.

    Args:
        seed: one or several numbers; the same give the same case, bit for bit, on the same grid.
        size: voxels along the three axes.
        affine: (4, 4), voxel to world in millimetres without rotation (x right, y front, z up; the middle of the brain
            is near the origin); voxels of 1 mm and more.
        modalities: which of `BRAIN_MODALITIES` to paint; each is the same with and without the others.
        tumours: a name in `LESIONS`, or "mixed": each in its share.
        free_share: share of the images whose contrasts are free.

    Returns:
        Each modality, int16, 0 outside the brain and positive inside; "label", uint8: 0 background, 1 necrosis or
        non-enhancing tumour, 2 oedema, 3 enhancing tumour. All of shape `size`.

    Raises:
        InputError: a voxel below 1 mm, an unknown name, or nilearn is missing.
    """
    check_brain(affine, modalities, tumours)
    streams = [random_stream(seed, stream) for stream in range(4)]
    grid = HeadGrid.of_affine(size, np.asarray(affine, float))
    maps = load_brain_maps(fine=min(grid.spacing) < FINE_MM)
    pose = HeadPose(streams[ANATOMY])
    kind = tumours if tumours != MIXED else streams[LESION].choice(list(SHARES), p=list(SHARES.values()))
    tumour = LESIONS[kind](streams[LESION], maps)
    head = pose.sample(grid, maps, tumour.push_away)
    lesion = tumour.paint(head)
    extras = head_extras(streams[LOOK], head, maps)
    mask = draw_brain_mask(streams[MASK], head, extras["sinus"])
    saturated = streams[MASK].random() < SATURATED_SHARE
    textures, look = Textures(streams[LOOK], head), LesionLook(streams[LOOK], head, lesion)
    painted = {"label": np.where(mask, lesion.label, 0).astype(np.uint8)}
    for name in modalities:
        generator = random_stream(seed, 4 + BRAIN_MODALITIES.index(name))
        level = draw_contrast(generator, name, look.water, free=generator.random() < free_share)
        image = scan(generator, grid, mr_signal(generator, name, level, head, extras, textures, look))
        painted[name] = to_scanner_units(generator, name, image, mask, saturated)
    return painted


def random_stream(seed: int | Sequence[int], stream: int) -> np.random.Generator:
    """Return one of the streams of random numbers of a case.

    NumPy takes (a, b) and (a, b, 0) for the same seed, and a number of 2^32 or more for two: so the count of the
    numbers comes first, and the stream, from 1 on, last.
    """
    numbers = [seed] if isinstance(seed, int) else list(seed)
    return np.random.default_rng([len(numbers), *numbers, stream + 1])


def head_size(spacing_mm: Sequence[float]) -> list[int]:
    """Return the voxels along the three axes of a grid that holds every painted head.

    Raises:
        InputError: not three edges of 1 mm or more.
    """
    _check_spacing(spacing_mm)
    return [int(np.ceil(extent / edge)) for extent, edge in zip(EXTENT_MM, spacing_mm, strict=True)]


def check_brain(affine: np.ndarray, modalities: Sequence[str], tumours: str) -> None:
    """Refuse a grid with rotation or voxels below 1 mm, and unknown names."""
    matrix = np.asarray(affine, float)[:3, :3]
    if np.any(matrix != np.diag(np.diag(matrix))):
        raise InputError(f"affine: painted brains need a grid without rotation, not {matrix.tolist()}.")
    _check_spacing(np.abs(np.diag(matrix)).tolist())
    if unknown := [name for name in modalities if name not in BRAIN_MODALITIES]:
        raise InputError(f"modalities: choose from {', '.join(BRAIN_MODALITIES)}, not {unknown[0]!r}.")
    if tumours != MIXED and tumours not in LESIONS:
        raise InputError(f"tumours {tumours!r} are unknown; choose {MIXED} or {' or '.join(LESIONS)}.")


def _check_spacing(spacing_mm: Sequence[float]) -> None:
    if np.shape(spacing_mm) != (3,) or min(spacing_mm) < LEAST_MM - 1e-6:
        raise InputError(
            f"spacing_mm: painted brains need voxels of at least {LEAST_MM:g} mm along three axes, not {spacing_mm}."
        )
