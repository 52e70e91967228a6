"""How bright tissues and lesions are in each MR modality: ranges from which every painted case draws its own.

Brightness is relative to white matter in T1. The ranges were widened until means and deviations inside the classes
covered those of 13 patients of BraTS 2018 (`python -m ci phantom-moments`); no score of a network was used.

How much free water oedema, tumour and necrosis hold is one number per case and tissue, the same in all modalities:
more water is darker in T1 and brighter in T2. In FLAIR oedema becomes brighter, tumour and necrosis darker, down to
the "T2-FLAIR mismatch" of some low-grade gliomas (Patel et al., Clinical Cancer Research 23, 2017) and to cysts.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

__all__ = ["BRAIN_MODALITIES", "RANGES", "draw_contrast", "draw_water"]

BRAIN_MODALITIES = ("t1", "t1ce", "t2", "flair")
RANGES = {  # least and greatest brightness
    "t1": {
        "white": (0.94, 1.06),
        "grey": (0.70, 0.90),
        "fluid": (0.22, 0.48),
        "oedema": (0.66, 0.96),
        "solid": (0.50, 0.88),
        "necrosis": (0.32, 0.82),
        "enhancing": (0.64, 1.02),
        "cavity": (0.25, 0.55),
        "vessel": (0.35, 1.10),
        "dura": (0.40, 0.90),
        "choroid": (0.50, 0.90),
        "spot": (0.72, 0.95),
        "sinus": (0.35, 1.10),
        "flow": (0.26, 0.60),
    },
    "t1ce": {
        "white": (0.94, 1.06),
        "grey": (0.70, 0.92),
        "fluid": (0.22, 0.48),
        "oedema": (0.68, 0.93),
        "solid": (0.48, 0.90),
        "necrosis": (0.30, 0.82),
        "enhancing": (0.95, 1.80),
        "cavity": (0.25, 0.55),
        "vessel": (1.20, 2.20),
        "dura": (0.80, 2.00),
        "choroid": (1.10, 1.90),
        "spot": (0.72, 0.95),
        "sinus": (1.05, 2.40),
        "flow": (0.26, 0.70),
    },
    "t2": {
        "white": (0.50, 0.70),
        "grey": (0.76, 1.00),
        "fluid": (1.35, 2.20),
        "oedema": (1.00, 1.60),
        "solid": (1.00, 1.95),
        "necrosis": (1.20, 2.20),
        "enhancing": (0.95, 1.60),
        "cavity": (1.35, 2.20),
        "vessel": (0.20, 0.80),
        "dura": (0.30, 0.90),
        "choroid": (0.70, 1.30),
        "spot": (0.85, 1.20),
        "sinus": (0.15, 0.80),
        "flow": (0.50, 1.60),
    },
    "flair": {
        "white": (0.62, 0.80),
        "grey": (0.74, 0.98),
        "fluid": (0.18, 0.48),
        "oedema": (1.05, 1.70),
        "solid": (0.62, 1.85),
        "necrosis": (0.30, 1.80),
        "enhancing": (0.95, 1.55),
        "cavity": (0.20, 0.90),
        "vessel": (0.30, 0.80),
        "dura": (0.40, 0.90),
        "choroid": (0.60, 1.10),
        "spot": (0.95, 1.40),
        "sinus": (0.20, 0.80),
        "flow": (0.60, 1.45),
    },
}
FREE = (0.25, 1.80)
BRIGHT_WITH_WATER = {"t1": (), "t1ce": (), "t2": ("oedema", "solid", "necrosis"), "flair": ("oedema",)}
BY_WATER = 0.7  # share of a tissue's range that its water decides
MISMATCH_SHARE = 0.3  # of the cases: watery tumour


def draw_water(generator: np.random.Generator) -> dict[str, float]:
    """Draw how much free water a case's oedema, solid tumour and necrosis hold, 0 to 1."""
    watery = generator.random() < MISMATCH_SHARE
    return {
        "oedema": generator.uniform(0.0, 1.0),
        "solid": generator.uniform(0.7, 1.0) if watery else generator.uniform(0.0, 0.7),
        "necrosis": generator.uniform(0.0, 1.0) ** 1.3,
    }


def draw_contrast(
    generator: np.random.Generator, modality: str, water: Mapping[str, float], free: bool = False
) -> dict[str, np.float32]:
    """Draw one case's brightness of every tissue in one modality.

    Args:
        generator: of random numbers.
        modality: one of `BRAIN_MODALITIES`.
        water: see `draw_water`.
        free: any tissue may have any brightness, as in SynthSeg (Billot et al., Medical Image Analysis 86, 2023).
    """
    level = {}
    for tissue, limits in RANGES[modality].items():
        low, high = FREE if free else limits
        share = generator.uniform(0.0, 1.0)
        if not free and tissue in water:
            bright = water[tissue] if tissue in BRIGHT_WITH_WATER[modality] else 1.0 - water[tissue]
            share = BY_WATER * bright + (1.0 - BY_WATER) * share
        level[tissue] = np.float32(low + (high - low) * share)
    return level
