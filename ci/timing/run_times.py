"""Benchmarks of run time: fuzzy memberships and loss, scores of objects, task interaction."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from monai.losses import DiceCELoss
from monai.networks.nets import FlexibleUNet, VNet
from torch import nn

from shared.losses import FuzzyAuxiliaryLoss
from shared.metrics import object_dice, object_f1, object_hausdorff
from shared.networks import TaskInteractionUNet, WithClassHead
from shared.transforms import fuzzy_membership

from .best_seconds import best_seconds

__all__ = [
    "fuzzy_loss_in_a_training_step",
    "interaction_against_flexible_unet",
    "membership_against_average_pooling",
    "object_scores_of_a_gland_image",
]


def membership_against_average_pooling() -> tuple[float, float]:
    """Seconds for the fuzzy membership of a 4 x 96 x 128 x 128 label, and for one 3^3 average pooling over it."""
    label = torch.randint(0, 4, (1, 96, 128, 128), generator=torch.Generator().manual_seed(0))
    onehot = nn.functional.one_hot(label, 4).movedim(-1, 1).float().contiguous()
    pooling = nn.AvgPool3d(3, stride=1, padding=1)
    ours, reference = best_seconds(lambda: fuzzy_membership(onehot), lambda: pooling(onehot), repeats=7)
    return ours, reference


def fuzzy_loss_in_a_training_step() -> tuple[float, float]:
    """Seconds for a VNet training step at 64^3 with the fuzzy loss (timed apart and added), and without."""
    torch.manual_seed(0)
    network, image = VNet(out_channels=4), torch.randn(1, 1, 64, 64, 64)
    label = torch.randint(0, 4, (1, 1, 64, 64, 64))
    memberships = fuzzy_membership(nn.functional.one_hot(label[:, 0], 4).movedim(-1, 1))
    base_loss, fuzzy_loss = DiceCELoss(to_onehot_y=True, softmax=True), FuzzyAuxiliaryLoss()
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    logits = torch.randn(1, 4, 64, 64, 64, requires_grad=True)

    def step() -> None:
        optimizer.zero_grad()
        base_loss(network(image), label).backward()
        optimizer.step()

    def fuzzy() -> None:
        fuzzy_loss(logits, memberships).backward()

    added, plain = best_seconds(fuzzy, step, repeats=4)
    return plain + added, plain


def object_scores_of_a_gland_image() -> tuple[float, float]:
    """Seconds for F1, Dice and Hausdorff of 775 x 522 pixels, 15 glands, three missed and five invented; and 0.3."""
    rows, columns = np.indices((522, 775))
    truth = np.zeros((522, 775), dtype=np.int32)
    for place in range(15):
        row, column = 90 + 170 * (place // 5), 80 + 150 * (place % 5)
        truth[((rows - row) / 75) ** 2 + ((columns - column) / 60) ** 2 < 1] = place + 1
    prediction = np.roll(truth, 9, axis=1)
    prediction[np.isin(truth, (3, 8, 14))] = 0
    for place in range(5):
        prediction[505:517, 100 + 120 * place : 112 + 120 * place] = 16 + place

    def score() -> None:
        for measure in (object_f1, object_dice, object_hausdorff):
            measure([prediction], [truth])

    return best_seconds(score, repeats=3)[0], 0.3


def interaction_against_flexible_unet(training: bool) -> tuple[float, float]:
    """Seconds for a training step or an inference of 4 images at 224, encoder b4: ours and MONAI's FlexibleUNet."""
    torch.manual_seed(0)
    image = torch.randn(4, 3, 224, 224)
    flexible = WithClassHead(FlexibleUNet(3, 1, "efficientnet-b4"), deepest="encoder", features=448)
    networks = [TaskInteractionUNet().train(training), flexible.train(training)]

    def step(network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        outputs = network(image)
        (outputs["pred"].square().mean() + outputs["class_logits"].square().mean()).backward()
        optimizer.step()

    def infer(network: nn.Module, _: torch.optim.Optimizer) -> None:
        with torch.no_grad():
            network(image)

    what, optimizers = step if training else infer, [torch.optim.Adam(network.parameters()) for network in networks]
    jobs = [partial(what, *pair) for pair in zip(networks, optimizers, strict=True)]
    ours, reference = best_seconds(*jobs, repeats=4)
    return ours, reference
