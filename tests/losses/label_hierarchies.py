"""Hierarchies of labels in glands, their valid vectors, and a random case."""

import itertools

import torch

GLAND_STATES = [(1, 0, 0), (0, 1, 0), (0, 1, 1)]
SHAPES = [(2, 3, 6, 5), (1, 3, 4, 3, 5)]
FOUR_LABELS = {
    "labels": ["stroma", "epithelium", "lumen", "contour"],
    "implies": [["lumen", "epithelium"], ["contour", "epithelium"]],
    "excludes": [["stroma", "epithelium"], ["stroma", "lumen"], ["stroma", "contour"], ["lumen", "contour"]],
}


def random_case(shape=(2, 3, 6, 5), scale=2.0, dtype=torch.float32):
    """Logits of three labels, (B, 3, *spatial), and a label map of three states."""
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(0, 3, (shape[0], 1, *shape[2:]), generator=generator)
    return scale * torch.randn(shape, generator=generator, dtype=dtype), label


def valid_vectors_of_four():
    """All 2^4 vectors of stroma, epithelium, lumen, contour, but for those that break a rule."""
    vectors = itertools.product((0, 1), repeat=4)
    return [
        (s, e, u, c) for s, e, u, c in vectors if s + e + u + c and e >= u and e >= c and not (s and e) and u + c < 2
    ]
