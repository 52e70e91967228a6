"""A painted head and its lesion as an MR signal, before the scanner spoils it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from .head_grid import Waves, octaves
from .head_pose import Head
from .lesion_parts import PARTS, Lesion
from .mr_contrasts import draw_water

__all__ = ["LesionLook", "Textures", "mr_signal"]

GRAIN = {
    "oedema": (0.05, 0.20),
    "solid": (0.03, 0.16),
    "necrosis": (0.05, 0.25),
    "enhancing": (0.05, 0.22),
    "cavity": (0.02, 0.08),
}


class Textures:
    """Random fields that all modalities of a case share: they show one tissue.

    Args:
        generator: of random numbers.
        head: on whose grid they are.
    """

    def __init__(self, generator: np.random.Generator, head: Head) -> None:
        self.fine = Waves(generator, 3.0).on(head.grid)
        self.wide = Waves(generator, 22.0).on(head.grid)
        self.outside = octaves(generator, head.grid, 5.0)


class LesionLook:
    """Soft shares of a lesion's parts in the smallest box that holds it, and what all modalities show of it.

    Args:
        generator: of random numbers.
        head: that holds the lesion.
        lesion: its parts.
    """

    def __init__(self, generator: np.random.Generator, head: Head, lesion: Lesion) -> None:
        self.box = head.grid.around(lesion.parts > 0, margin_mm=4.0)
        parts = lesion.parts[self.box]
        edge = generator.uniform(0.35, 0.6)
        self.shares = {
            name: ndimage.gaussian_filter((parts == number).astype(np.float32), edge, truncate=3.0)
            for number, name in enumerate(PARTS)
            if number and (parts == number).any()
        }
        self.fade = lesion.fade[self.box]
        grid = head.grid.box(self.box)
        self.grains = [Waves(generator, 9.0).on(grid), Waves(generator, 5.0).on(grid), octaves(generator, grid, 6.0)]
        self.water = draw_water(generator)
        self.blood = (generator.random() < 0.12) * np.clip(2.0 * (octaves(generator, grid, 8.0) - 1.0), 0, 1)


def mr_signal(
    generator: np.random.Generator,
    modality: str,
    level: Mapping[str, np.float32],
    head: Head,
    extras: Mapping[str, np.ndarray],
    textures: Textures,
    look: LesionLook,
) -> np.ndarray:
    """Return the signal (x, y, z) of one modality.

    Args:
        generator: of random numbers.
        modality: its name.
        level: brightness of every tissue.
        head: healthy tissue.
        extras: see `head_extras`.
        textures: of the healthy tissue.
        look: of the lesion.
    """
    signal = level["white"] * head.white + level["grey"] * head.grey + level["fluid"] * head.fluid
    signal *= (
        1.0
        + np.float32(generator.uniform(0.0, 0.05)) * textures.fine
        + np.float32(generator.uniform(0, 0.05)) * textures.wide
    )
    air = head.depth < 0.5
    signal[air] = np.where(
        head.depth[air] > generator.uniform(-2.5, 0.3),
        level["fluid"],
        level["dura"] * np.clip(0.3 + 0.5 * textures.outside[air], 0.05, 2.0),
    )
    if modality == "flair":
        signal *= 1.0 + extras["glow"]
    for name in ("spot", "flow", "dura", "vessel", "choroid", "sinus"):
        shows = generator.uniform(0.5, 1.0) if name == "spot" else 1.0
        signal += np.float32(shows) * extras[name] * (level[name] - signal)
    inside = signal[look.box]
    painted, total = np.zeros_like(inside), np.zeros_like(inside)
    fade = np.float32(generator.uniform(0.0, 0.55))
    for name, share in look.shares.items():
        amount = np.float32(generator.uniform(*GRAIN[name]) * (0.55 if modality == "t1" else 1.0))
        weights = generator.dirichlet(np.ones(3)) ** 0.5
        grain = sum(np.float32(w) * field for w, field in zip(weights, look.grains, strict=True))
        brightness = level[name] * (1.0 + amount * grain).clip(0.15, 2.5)
        if name == "oedema":
            around = level["white"] * head.white[look.box] + level["grey"] * (1.0 - head.white[look.box])
            brightness += fade * look.fade * (around - brightness)
        elif name in ("solid", "necrosis"):
            brightness += look.blood * (
                (0.45 if modality == "t2" else 1.25 if modality == "t1" else 0.9) * level["white"] - brightness
            )
        painted += share * brightness
        total += share
    total = np.minimum(total, 1.0)
    signal[look.box] = inside * (1.0 - total) + painted
    return signal
