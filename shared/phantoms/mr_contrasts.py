"""How bright tissues and lesions are in each MR modality: ranges from which every painted case draws its own.

Brightness is relative to white matter in T1. The ranges were widened until means and deviations inside the classes
covered those of 13 patients of BraTS 2018 (`python -m ci phantom-moments`); no score of a network was used.
"""

from __future__ import annotations

import numpy as np

__all__ = ["BRAIN_MODALITIES", "RANGES", "draw_contrast"]

BRAIN_MODALITIES = ("t1", "t1ce", "t2", "flair")
RANGES = {  # least and greatest brightness
    "t1": {
        "white": (0.94, 1.06),
        "grey": (0.70, 0.90),
        "fluid": (0.22, 0.48),
        "oedema": (0.70, 0.98),
        "solid": (0.62, 0.95),
        "necrosis": (0.48, 0.88),
        "enhancing": (0.64, 1.02),
        "cavity": (0.25, 0.55),
        "vessel": (0.35, 1.10),
        "dura": (0.40, 0.90),
        "choroid": (0.50, 0.90),
        "spot": (0.72, 0.95),
    },
    "t1ce": {
        "white": (0.94, 1.06),
        "grey": (0.70, 0.92),
        "fluid": (0.22, 0.48),
        "oedema": (0.66, 0.93),
        "solid": (0.55, 0.95),
        "necrosis": (0.36, 0.82),
        "enhancing": (0.95, 1.80),
        "cavity": (0.25, 0.55),
        "vessel": (1.20, 2.20),
        "dura": (0.80, 2.00),
        "choroid": (1.10, 1.90),
        "spot": (0.72, 0.95),
    },
    "t2": {
        "white": (0.50, 0.70),
        "grey": (0.76, 1.00),
        "fluid": (1.35, 2.20),
        "oedema": (1.00, 1.60),
        "solid": (1.00, 1.75),
        "necrosis": (1.20, 2.20),
        "enhancing": (0.95, 1.60),
        "cavity": (1.35, 2.20),
        "vessel": (0.20, 0.80),
        "dura": (0.30, 0.90),
        "choroid": (0.70, 1.30),
        "spot": (0.85, 1.20),
    },
    "flair": {
        "white": (0.62, 0.80),
        "grey": (0.74, 0.98),
        "fluid": (0.18, 0.48),
        "oedema": (1.05, 1.70),
        "solid": (0.98, 1.65),
        "necrosis": (0.60, 1.65),
        "enhancing": (0.95, 1.55),
        "cavity": (0.20, 0.90),
        "vessel": (0.30, 0.80),
        "dura": (0.40, 0.90),
        "choroid": (0.60, 1.10),
        "spot": (0.95, 1.40),
    },
}
FREE = (0.25, 1.80)


def draw_contrast(generator: np.random.Generator, modality: str, free: bool = False) -> dict[str, np.float32]:
    """Draw one case's brightness of every tissue in one modality.

    Args:
        generator: of random numbers.
        modality: one of `BRAIN_MODALITIES`.
        free: any tissue may have any brightness, as in SynthSeg (Billot et al., Medical Image Analysis 86, 2023).
    """
    ranges = RANGES[modality]
    return {tissue: np.float32(generator.uniform(*(FREE if free else limits))) for tissue, limits in ranges.items()}
