"""What else is bright or dark in a head and is no tumour: vessels, dura, choroid plexus, spots and caps."""

from __future__ import annotations

import numpy as np

from .head_grid import Waves, octaves
from .head_pose import Head

__all__ = ["head_extras"]


def head_extras(generator: np.random.Generator, head: Head) -> dict[str, np.ndarray]:
    """Return the share (x, y, z), 0 to 1, of each of "vessel", "dura", "choroid" and "spot" on a head's grid."""
    return {
        "vessel": _vessels(generator, head),
        "dura": _dura(generator, head),
        "choroid": _choroid(generator, head),
        "spot": _spots(generator, head),
    }


def _vessels(g: np.random.Generator, head: Head) -> np.ndarray:
    """Curves, where two smooth fields are both zero, in the sulci and cisterns; and the sagittal sinus."""
    one, two = (Waves(g, 9.0).on(head.grid) for _ in range(2))
    rarely = Waves(g, 18.0).on(head.grid) > g.uniform(-0.2, 1.0)
    wide = np.float32(g.uniform(0.1, 0.26))
    tubes = (
        np.clip(1.5 - np.hypot(one, two) / wide, 0, 1)
        * rarely
        * np.clip(1.6 * (head.fluid + 0.25 * (head.depth < 6)), 0, 1)
    )
    above = head.place[2] > g.uniform(0.0, 40.0)
    sinus = np.clip(g.uniform(2.0, 4.5) - np.hypot(head.side, np.maximum(head.depth, -2) - 1.0), 0, 1) * above
    return np.maximum(tubes, sinus * g.uniform(0.3, 1.0)).astype(np.float32)


def _dura(g: np.random.Generator, head: Head) -> np.ndarray:
    """A skin on the surface of the brain, and the falx, both with gaps."""
    patchy = np.clip(0.5 + octaves(g, head.grid, 16.0) * 0.7 + g.uniform(-0.6, 0.5), 0, 1)
    skin = np.clip((g.uniform(0.2, 1.6) - head.depth) / 1.0, 0, 1)
    falx = np.clip(1.0 - np.abs(head.side) / 1.2, 0, 1) * np.clip(head.fluid * 1.5, 0, 1) * (head.place[2] > 10)
    return (patchy * np.maximum(skin, g.uniform(0.0, 0.7) * falx)).astype(np.float32)


def _choroid(g: np.random.Generator, head: Head) -> np.ndarray:
    """Tufts in the ventricles, most of all at the back."""
    tufts = np.clip(octaves(g, head.grid, 5.0) - g.uniform(0.5, 1.8), 0, 1)
    at_back = 1.0 / (1.0 + np.exp((head.place[1] + 20.0) / 4.0))
    return (tufts * (head.from_ventricles < 0.5) * (0.2 + 0.8 * at_back)).astype(np.float32)


def _spots(g: np.random.Generator, head: Head) -> np.ndarray:
    """White-matter lesions of ageing and caps at the ventricles; none in the young."""
    age = g.uniform(0.0, 1.0) ** 1.5
    rough = octaves(g, head.grid, 3.5) - 0.02 * (head.from_ventricles - 10.0).clip(0, 40)
    spots = np.clip(3.0 * (rough - (3.2 - 1.0 * age)), 0, 1)
    reach = (4.5 * age - 0.5) * np.exp(0.8 * Waves(g, 14.0).on(head.grid))
    caps = np.clip((reach - head.from_ventricles) / 2.0, 0, 1) * (head.from_ventricles > 0)
    return (np.maximum(spots, caps * g.uniform(0.2, 1.0)) * np.clip(head.white * 1.5, 0, 1)).astype(np.float32)
