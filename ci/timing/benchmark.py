"""Compare run time, memory and operations with references; status 1 if a bound is missed.

Times differ from machine to machine, ratios hardly; status 1 if one is missed. Takes some minutes.
"""

from __future__ import annotations

import sys
from functools import partial

import torch

from shared.networks import M3AE, CLoE, MMFormer, RFNet, RobustSeg, ShaSpec

from .fusion_forms import fusion_against_7d, fusion_memory_against_7d
from .network_costs import (
    gigaflop_from_published,
    gigaflop_within,
    one_against_four_modalities,
    parameters_from_published,
)
from .peak_memory import memory_for_a_large_brain, memory_for_a_large_gland_image
from .run_times import (
    fuzzy_loss_in_a_training_step,
    interaction_against_flexible_unet,
    membership_against_average_pooling,
    object_scores_of_a_gland_image,
)

# What is measured: (name, function that gives seconds (or GB) of ours and of the reference, largest ratio allowed).
BENCHMARKS = [
    ("fuzzy membership / avg_pool3d, 4 x 96 x 128 x 128", membership_against_average_pooling, 1.00),
    ("VNet step 64^3 with / without fuzzy loss", fuzzy_loss_in_a_training_step, 1.05),
    ("object F1, Dice, Hausdorff of 775 x 522 with 15 glands / 0.3 s", object_scores_of_a_gland_image, 1.00),
    ("peak memory in GB, glands in 5000 x 5000 / 4 GB", memory_for_a_large_gland_image, 1.00),
    ("the same: a brain of 480 x 480 x 300, 4 classes / 1.5 x logits + image", memory_for_a_large_brain, 1.00),
    ("TaskInteractionUNet / FlexibleUNet, b4, 4 at 224: step", partial(interaction_against_flexible_unet, True), 1.60),
    ("the same: inference", partial(interaction_against_flexible_unet, False), 1.60),
    ("10^9 operations, mmFormer, one of four modalities of 80^3 / 40", partial(gigaflop_within, MMFormer, 1, 40), 1),
    ("the same: RFNet / 150", partial(gigaflop_within, RFNet, 1, 150), 1),
    ("the same: RobustSeg / 85", partial(gigaflop_within, RobustSeg, 1, 85), 1),
    ("the same: CLoE / 85", partial(gigaflop_within, CLoE, 1, 85), 1),
    ("the same: two, CLoE, whose gate cannot act / 115", partial(gigaflop_within, CLoE, 2, 115), 1),
    ("the same: four, CLoE / 375", partial(gigaflop_within, CLoE, 4, 375), 1),
    ("the same: four, mmFormer, away from the published 60.6", partial(gigaflop_from_published, MMFormer, 60.6), 0.02),
    ("the same: four, RFNet, 7-D, away from 203.6", partial(gigaflop_from_published, RFNet, 203.6), 0.02),
    ("the same: four, RobustSeg, away from 181.76", partial(gigaflop_from_published, RobustSeg, 181.76), 0.02),
    ("the same: M3AE, away from 72.3", partial(gigaflop_from_published, M3AE, 72.3), 0.02),
    ("million parameters, mmFormer, away from 36.39", partial(parameters_from_published, MMFormer, 36_391_760), 0),
    ("the same: RFNet, away from 8.98", partial(parameters_from_published, RFNet, 8_984_960), 0),
    ("the same: RobustSeg, away from 37.46", partial(parameters_from_published, RobustSeg, 37_455_749), 0.02),
    ("the same: ShaSpec, away from 187.71", partial(parameters_from_published, ShaSpec, 187_708_132), 0.02),
    ("the same: M3AE, away from 4.70", partial(parameters_from_published, M3AE, 4_700_000), 0.02),
    ("mmFormer at 80^3, one / four of four modalities", partial(one_against_four_modalities, MMFormer), 0.75),
    ("the same: RFNet", partial(one_against_four_modalities, RFNet), 0.75),
    ("the same: RobustSeg", partial(one_against_four_modalities, RobustSeg), 0.75),
    ("the same: CLoE", partial(one_against_four_modalities, CLoE), 0.35),
    ("RFNet's fusion by regions at 64^3 / with the 7-D tensor", fusion_against_7d, 0.50),
    ("the same: peak memory in GB of a training step", fusion_memory_against_7d, 0.50),
]


def main() -> None:
    """Print one row per benchmark; exit status 1 if a bound is missed."""
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, CPU\n")
    print("Seconds, where the row names no other unit.\n")
    print("| measured | ours | reference | ratio | bound | |\n|---|---:|---:|---:|---:|---|")
    missed = 0
    for name, measure, bound in BENCHMARKS:
        ours, reference = measure()
        kept = ours / reference <= bound
        missed += not kept
        row = f"| {name} | {ours:.4f} | {reference:.4f} | {ours / reference:.3f} | {bound:.2f} |"
        print(row, "kept |" if kept else "MISSED |", flush=True)
    sys.exit(1 if missed else 0)
