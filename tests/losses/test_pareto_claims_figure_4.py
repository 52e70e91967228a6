"""What draws the curves of rho_1 and rho_2 in Figure 4 of "Pareto-Guided Optimization" (arXiv 2601.19365v2, 2026)."""

import pytest
import torch
from fuzzy_cases import CLASSES, as_onehot, rings, shuffled
from torch import nn

from shared.losses import FuzzyAuxiliaryLoss
from shared.transforms import fuzzy_membership


def trajectories(label, image, learning_rate, scale=1.0, steps=150):
    """Train a small network and rho with Adam; return rho_1 and rho_2 over the steps and the accuracy reached."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, CLASSES, 1))
    loss, memberships = FuzzyAuxiliaryLoss(), fuzzy_membership(as_onehot(label[:, 0]))
    optimizer = torch.optim.Adam([*network.parameters(), *loss.parameters()], lr=learning_rate)
    rho = []
    for _ in range(steps):
        optimizer.zero_grad()
        (scale * loss(network(image), memberships)).backward()
        optimizer.step()
        rho.append([loss.rho_1.item(), loss.rho_2.item()])
    accuracy = (network(image).argmax(dim=1) == label[:, 0]).float().mean().item()
    return torch.tensor(rho).T, accuracy


def test_figure_4_is_reproduced_by_noise_labels():
    """Sec. 7 reads rho_1 to 1 and rho_2 to 0 as a curriculum. A network that can learn nothing draws the same curves.

    So does one whose fuzzy loss is a thousand times smaller: they show the optimiser's step, not the data.
    """
    label, image = rings()
    rho, accuracy = trajectories(label, image, learning_rate=0.01)
    noise_rho, noise_accuracy = trajectories(shuffled(label), image, learning_rate=0.01)
    small_rho, _ = trajectories(label, image, learning_rate=0.01, scale=1e-3)
    background = (label == 0).float().mean().item()
    assert noise_accuracy == pytest.approx(background, abs=0.02)
    assert accuracy > background + 0.25
    assert (rho - noise_rho).abs().max() < 0.02
    assert (rho - small_rho).abs().max() < 0.001
    assert (rho[0].diff() > 0).all()
    assert (rho[1].diff() < 0).all()
    assert (rho[0, -1].item(), rho[1, -1].item()) == pytest.approx((0.75, 0.24), abs=0.01)
    # Sec. 7.2: "The decay of p2 is naturally slower than the rise of p1"
    assert -rho[1].logit()[-1] > rho[0].logit()[-1]


def test_rho_moves_by_the_learning_rate_in_every_step():
    label, image = rings()
    for learning_rate in (1e-3, 3e-3):
        rho, _ = trajectories(label, image, learning_rate, steps=50)
        torch.testing.assert_close(
            rho[:, -1].logit(), 50 * learning_rate * torch.tensor([1.0, -1.0]), rtol=0.05, atol=0
        )
