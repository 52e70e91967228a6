"""A batch of three modalities, and small networks that the loss of CLoE trains."""

import torch

from shared.networks import CLoE

SIZE = (16, 16, 16)


def batch(modalities=3, classes=3):
    random = torch.Generator().manual_seed(0)
    image = torch.randn(2, modalities, *SIZE, generator=random)
    label = torch.randint(0, classes, (2, 1, *SIZE), generator=random)
    return image, {"label": label, "image": image}


def make(kind=CLoE, **options):
    torch.manual_seed(0)
    network = kind(in_channels=3, out_channels=3, features=2, **options)
    if getattr(network, "gate", None) is not None:
        torch.nn.init.normal_(network.gate.perceptron[2].weight)
    return network


KEEP = torch.tensor([[True, True, True], [True, False, True]])
BRANCHES = ["content", "style", "images"]
