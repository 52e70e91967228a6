"""What else is bright or dark in a head and is no tumour: vessels, dura, choroid plexus, spots, flowing CSF."""

from __future__ import annotations

import numpy as np

from .head_grid import Waves, octaves
from .head_pose import Head
from .head_sinuses import sinuses, tentorium
from .mni_maps import BrainMaps

__all__ = ["head_extras"]


def head_extras(generator: np.random.Generator, head: Head, maps: BrainMaps) -> dict[str, np.ndarray]:
    """Return shares (x, y, z), 0 to 1, of what a head holds besides its tissues.

    Returns:
        "sinus", "vessel", "dura", "choroid", "spot", "flow" (CSF that pulsates) and "glow" (how much brighter FLAIR
        is near air in the base of the skull).
    """
    sinus = sinuses(generator, head, maps)
    return {
        "sinus": sinus,
        "vessel": _vessels(generator, head),
        "dura": _dura(generator, head),
        "choroid": _choroid(generator, head),
        "spot": _spots(generator, head),
        "flow": _flow(generator, head),
        "glow": _glow(generator, head),
    }


def _vessels(g: np.random.Generator, head: Head) -> np.ndarray:
    """Curves, where two smooth fields are both zero, in the sulci and cisterns, and as veins on the surface."""
    one, two = (Waves(g, 9.0).on(head.grid) for _ in range(2))
    rarely = Waves(g, 18.0).on(head.grid) > g.uniform(-0.6, 0.8)
    wide = np.float32(g.uniform(0.1, 0.3))
    on_surface = np.float32(g.uniform(0.1, 0.8)) * (head.depth < 4)
    tubes = np.clip(1.5 - np.hypot(one, two) / wide, 0, 1) * rarely
    return (tubes * np.clip(1.6 * head.fluid + on_surface, 0, 1)).astype(np.float32)


def _dura(g: np.random.Generator, head: Head) -> np.ndarray:
    """A skin on the surface of the brain, thick in some places only; falx and tentorium, both with gaps."""
    patchy = np.clip(0.5 + octaves(g, head.grid, 13.0) * 0.8 + g.uniform(-1.3, 0.1), 0, 1)
    skin = np.clip(g.uniform(0.2, 1.6) - head.depth, 0, 1)
    falx = np.clip(1.0 - np.abs(head.side) / 1.2, 0, 1) * np.clip(0.3 + 1.5 * head.fluid, 0, 1) * (head.place[2] > 10)
    folds = np.maximum(g.uniform(0.0, 0.8) * falx, g.uniform(0.3, 1.0) * tentorium(head, g.uniform(0.5, 1.6)))
    gaps = np.clip(0.9 + Waves(g, 12.0).on(head.grid), 0, 1)
    return np.maximum(patchy * skin, gaps * folds).astype(np.float32)


def _choroid(g: np.random.Generator, head: Head) -> np.ndarray:
    """Tufts in the ventricles: a ball in each atrium, a ribbon before it."""
    x, y, z = np.abs(head.side), head.place[1], head.place[2]
    ball = np.sqrt(((x - 23.0) / 7.0) ** 2 + ((y + 42.0) / 8.0) ** 2 + ((z - 8.0) / 8.0) ** 2)
    ribbon = np.abs(z - 14.0 + 0.15 * (y + 30.0)) / 2.5 + (np.abs(y + 14.0) > 16.0) * 9.0
    near = np.maximum(1.6 - ball, 0.8 - ribbon).clip(-1.2, 1.0)
    tufts = np.clip(0.6 * octaves(g, head.grid, 4.0) + 1.4 * near + g.uniform(-1.0, 0.4), 0, 1)
    return (tufts * (head.from_ventricles < 0.5)).astype(np.float32)


def _spots(g: np.random.Generator, head: Head) -> np.ndarray:
    """White-matter lesions of ageing and caps at the horns of the ventricles; few in the young."""
    age = g.uniform(0.0, 1.0) ** 1.3
    rough = octaves(g, head.grid, 3.5) - 0.02 * (head.from_ventricles - 10.0).clip(0, 40)
    spots = np.clip(3.0 * (rough - (3.2 - 1.0 * age)), 0, 1)
    at_horns = np.exp(-(((np.abs(head.place[1] + 15.0) - 45.0) / 16.0) ** 2))
    reach = (4.5 * age - 0.5 + g.uniform(0.0, 3.5) * at_horns) * np.exp(0.6 * Waves(g, 14.0).on(head.grid))
    caps = np.clip((reach - head.from_ventricles) / 2.0, 0, 1) * (head.from_ventricles > 0)
    return (np.maximum(spots, caps * g.uniform(0.2, 1.0)) * np.clip(head.white * 1.5, 0, 1)).astype(np.float32)


def _flow(g: np.random.Generator, head: Head) -> np.ndarray:
    """CSF whose pulsation spoils the suppression of FLAIR: cisterns around the brainstem, parts of the ventricles."""
    low = 1.0 / (1.0 + np.exp((head.place[2] + g.uniform(5.0, 25.0)) / 5.0)) * (np.abs(head.side) < 30.0)
    inside = (head.from_ventricles < 0) * g.uniform(0.0, 0.7)
    patchy = np.clip(0.4 + 0.8 * Waves(g, 6.0).on(head.grid) + g.uniform(-1.2, 0.3), 0, 1)
    return (patchy * np.maximum(low, inside) * np.clip(1.3 * head.fluid, 0, 1)).astype(np.float32)


def _glow(g: np.random.Generator, head: Head) -> np.ndarray:
    """Regions beside air-filled bone: under the frontal lobe, at the poles and floor of the temporal lobes."""
    frontal = np.hypot(head.side / 22.0, (head.place[1] - 40.0) / 26.0) + np.abs(head.place[2] + 22.0) / 14.0
    temporal = np.hypot((np.abs(head.side) - 42.0) / 20.0, (head.place[1] + 8.0) / 30.0)
    temporal = temporal + np.abs(head.place[2] + 38.0) / 16.0
    near = np.maximum(g.uniform(0.0, 1.0) * (1.3 - frontal), g.uniform(0.0, 1.0) * (1.3 - temporal)).clip(0, 1)
    strength = g.uniform(0.0, 1.2) if g.random() < 0.4 else 0.0
    return (strength * near * np.clip(1.0 - head.depth / 9.0, 0, 1)).astype(np.float32)
