"""Grey pictures of glands, and the regions that are derived from them."""

import numpy as np
import torch
from scipy import ndimage

from shared.transforms import gland_regions

DARK, BRIGHT = 100, 250  # optical densities 0.93 and 0.02


def picture(grey):
    return (torch.as_tensor(grey) / 255).float().expand(3, -1, -1)


def numbers(mask):
    return torch.as_tensor(mask)[None].to(torch.int32)


def disc(size, radius, centre=None):
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2 if centre is None else np.mgrid[:size, :size]
    shift = (0, 0) if centre is None else centre
    return (rows - shift[0]) ** 2 + (columns - shift[1]) ** 2 <= radius**2


def regions_of(grey, instances, pixel_size_um=1.0, method="bright"):
    return gland_regions(picture(grey), numbers(instances), pixel_size_um, method)[0].numpy()


def random_glands(seed, size=70):
    """Blobs of any shape that touch each other and the border, over noise with bright and dark areas."""
    generator = np.random.default_rng(seed)
    height = ndimage.gaussian_filter(generator.normal(size=(size, size)), 6)
    instances, _ = ndimage.label(height > 0)
    halves = np.where(np.mgrid[:size, :size][0] < size // 2, 2 * instances, 2 * instances - 1)
    grey = 160 + 3000 * ndimage.gaussian_filter(generator.normal(size=(size, size)), 3)
    return np.clip(grey, 20, 250), np.where(instances > 0, halves, 0)
