"""A small network of task interaction, images for it, and the rows of the paper's Table 2."""

import torch
from torch import nn

from shared.networks import TaskInteractionUNet

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
SMALL = {"encoder": "efficientnet-b0", "decoder_channels": (12, 8, 6, 4)}
ROWS = [  # of Table 2: HMSF, TIM, UPA
    {"fusion": False, "interaction": False, "proxy_attention": False},
    {"interaction": False, "proxy_attention": False},
    {"fusion": False, "proxy_attention": False},
    {"fusion": False},
    {},
    {"decoder_fusion": False},
]


def small_network(**options):
    torch.manual_seed(0)
    return TaskInteractionUNet(**SMALL | options)


def trained(**options):
    """With the statistics of eight images, in evaluation mode; without them, outputs hardly depend on the image."""
    network = small_network(**options)
    for module in network.modules():
        if isinstance(module, NORMS):
            module.momentum = 1.0
    with torch.no_grad():
        network(contrasts(8))
    return network.eval()


def contrasts(number):
    return images(number) * torch.linspace(0.2, 1.5, number).view(number, 1, 1, 1)


def images(number=2, height=64, width=64):
    return torch.rand(number, 3, height, width, generator=torch.Generator().manual_seed(1))
