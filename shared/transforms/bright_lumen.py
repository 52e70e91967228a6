"""Find the lumen of a gland as what is bright in its inside."""

from __future__ import annotations

import numpy as np

__all__ = ["bright_parts", "density_threshold", "optical_density"]

SMOOTHING_UM = 0.93  # standard deviation of the Gaussian over the optical density
OTSU_SHARE, DENSITY_RANGE = 0.55, (0.25, 0.40)  # Otsu's threshold itself would part pale cytoplasm from nuclei
CLOSING_UM = 2.5
OPENING_UM = 1.25
SMALLEST_UM2, SMALLEST_SHARE = 23.0, 0.005  # of a lumen: area, and share of its gland


def optical_density(image: np.ndarray, pixel_size_um: float) -> np.ndarray:
    """Return the smoothed mean optical density over the colours, (H, W), of an image (3, H, W) in [0, 1]."""
    from scipy import ndimage

    density = np.zeros(image.shape[1:], np.float32)
    for colour in image:
        density -= np.log((255 * colour + 1) / 256)
    return ndimage.gaussian_filter(density / len(image), SMOOTHING_UM / pixel_size_um, mode="nearest")


def density_threshold(density: np.ndarray) -> float:
    """Return the optical density below which pixels of glands are bright."""
    from skimage.filters import threshold_otsu

    return float(np.clip(OTSU_SHARE * threshold_otsu(density), *DENSITY_RANGE))


def bright_parts(bright: np.ndarray, gland: np.ndarray, inside: np.ndarray, pixel_size_um: float) -> np.ndarray:
    """Clean what is bright inside a gland; the image's border is no border of a lumen."""
    from scipy import ndimage

    closing, opening = (_disc(length / pixel_size_um) for length in (CLOSING_UM, OPENING_UM))
    lumen = ndimage.binary_dilation(bright & inside, closing)
    lumen = ndimage.binary_erosion(lumen, closing, border_value=1)
    lumen = ndimage.binary_dilation(ndimage.binary_erosion(lumen, opening, border_value=1), opening)
    lumen = ndimage.binary_fill_holes(lumen & inside) & inside
    parts, _ = ndimage.label(lumen, np.ones((3, 3)))
    areas = np.bincount(parts.ravel())
    large = areas >= max(SMALLEST_UM2 / pixel_size_um**2, SMALLEST_SHARE * gland.sum())
    large[0] = False
    return large[parts]


def _disc(radius: float) -> np.ndarray:
    across = np.arange(-int(radius), int(radius) + 1)
    return across[:, None] ** 2 + across**2 <= radius**2
