"""A volume of random numbers, (5, 4, 3)."""

import numpy as np

VOLUME = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)
