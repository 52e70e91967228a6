"""Where the lesion of a breast phantom lies and how it is bounded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Lesion"]

AMBIGUOUS_SHARE = 0.25  # of the lesions have the orientation and the rear of the other class


@dataclass(frozen=True)
class Lesion:
    """A lesion: lengths in millimetres, echo levels in decibels, angles in radians."""

    malignant: bool
    place_mm: tuple[float, float]  # depth, and distance from the left border
    half_axes_mm: tuple[float, float]  # upright and lengthwise, before turning
    angle: float
    bumps: np.ndarray  # (N, 3) of the border: where it is around, height as share of the radius, sharpness
    echo_db: float
    rear_db: float  # behind the lesion: above 0 brighter, below 0 a shadow

    @classmethod
    def draw(
        cls, generator: np.random.Generator, malignant: bool, depth_mm: float, right_mm: float, radius_mm: float
    ) -> Lesion:
        """Draw a lesion around a place.

        Benign ones are smooth, wider than tall and bright behind; malignant ones are spiculated, as tall as wide or
        taller, and throw a shadow. In a quarter of either only the border tells the class. The echo of both is weak and
        as strong as that of fat, muscle and shadows.
        """
        typical = generator.random() >= AMBIGUOUS_SHARE
        upright = malignant == typical
        ratio = generator.uniform(0.75, 1.1) if upright else generator.uniform(1.35, 2.2)  # of width to height
        area_mm2 = (radius_mm * generator.uniform(0.7, 1.3)) ** 2
        lobes = _bumps(generator, 4, generator.normal(0, 0.15 if malignant else 0.04, 4), sharpness=(1, 4))
        spicules = generator.integers(6, 13) if malignant else 0
        spikes = _bumps(generator, spicules, generator.uniform(0.1, 0.5, spicules), sharpness=(30, 150))
        cyst = not malignant and generator.random() < 0.25
        return cls(
            malignant=malignant,
            place_mm=(depth_mm, right_mm),
            half_axes_mm=(np.sqrt(area_mm2 / ratio), np.sqrt(area_mm2 * ratio)),
            angle=generator.normal(0, 0.3 if malignant else 0.15),
            bumps=np.concatenate((lobes, spikes)),
            echo_db=generator.uniform(-60, -48) if cyst else generator.uniform(-46, -36),
            rear_db=generator.uniform(-16, -7) if upright else generator.uniform(3, 10),
        )

    def nearness(self, depth_mm: np.ndarray, right_mm: np.ndarray) -> np.ndarray:
        """Return the distance from the middle as a share of the distance of the border: below 1 is inside."""
        down, right = depth_mm - self.place_mm[0], right_mm - self.place_mm[1]
        across = down * np.cos(self.angle) - right * np.sin(self.angle)
        along = right * np.cos(self.angle) + down * np.sin(self.angle)
        across, along = across / self.half_axes_mm[0], along / self.half_axes_mm[1]
        around = np.arctan2(across, along)
        border = 1 + sum(height * np.exp(sharp * (np.cos(around - where) - 1)) for where, height, sharp in self.bumps)
        return np.hypot(across, along) / np.maximum(border, 0.5)


def _bumps(
    generator: np.random.Generator, number: int, heights: np.ndarray, sharpness: tuple[float, float]
) -> np.ndarray:
    where = generator.uniform(0, 2 * np.pi, number)
    return np.stack((where, heights, generator.uniform(*sharpness, number)), axis=1)
