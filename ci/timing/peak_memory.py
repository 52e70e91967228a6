"""Benchmarks of memory: inference of large images."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .inference_memory import megabytes_allowed

__all__ = ["last_number", "memory_for_a_large_brain", "memory_for_a_large_gland_image"]

ROOT = Path(__file__).resolve().parents[2]

# A process of its own, since the peak is that of all it ever did; its last line is the peak in kilobytes.
LARGE_PICTURE = """
import resource
import torch
from shared.inferers import WholeOrWindowInferer
from shared.networks import GlandUNet
from shared.transforms import GlandInstancesd, HierarchicalSegmentationd
network = GlandUNet(features=(8, 16, 32, 64, 128)).eval()
with torch.no_grad():
    logits = WholeOrWindowInferer(roi_size=(1032, 1032))(torch.rand(1, 3, 5000, 5000), network)
found = HierarchicalSegmentationd(keys="pred")({"pred": logits[0]})
GlandInstancesd(keys="pred", pixel_size_um=0.62)(found)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""

# The same for the inference of a brain of 480 x 480 x 300 voxels, four modalities and four classes.
LARGE_BRAIN = """
from ci.timing.inference_memory import inference_megabytes
print(inference_megabytes())
"""


def memory_for_a_large_gland_image() -> tuple[float, float]:
    """Peak memory in GB of segmenting 5000 x 5000 pixels by windows, network with 8 to 128 filters; and 4."""
    return last_number(LARGE_PICTURE) / 1e6, 4.0


def memory_for_a_large_brain() -> tuple[float, float]:
    """Peak memory in GB of the inference of a large brain, and 1.5 times its logits in float32 plus the image."""
    return last_number(LARGE_BRAIN) / 1e3, megabytes_allowed() / 1e3


def last_number(script: str, *arguments: str) -> float:
    """Run a script in a process of its own, from the repository's root; return the last number that it prints."""
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])
