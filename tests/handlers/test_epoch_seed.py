import torch
from ignite.engine import Engine

from shared.data import EpochDataset
from shared.handlers import EpochSeed


def drawn(seed, epochs, rank=0):
    """What PyTorch draws in every epoch, and which epoch the dataset was told."""
    dataset = EpochDataset([{}], [], seed=seed)
    numbers = []

    def step(engine, batch):
        numbers.append((dataset.epoch, torch.rand(()).item()))

    engine = Engine(step)
    engine.state.rank = rank
    EpochSeed(dataset, seed).attach(engine)
    engine.run([0], max_epochs=epochs)
    return numbers


def test_an_epoch_draws_the_same_whatever_came_before():
    first = drawn(seed=1, epochs=3)
    torch.rand(5)
    assert drawn(seed=1, epochs=3) == first
    assert [epoch for epoch, _ in first] == [1, 2, 3]
    assert len({number for _, number in first}) == 3


def test_seeds_and_ranks_draw_differently():
    assert len({tuple(drawn(seed, 1, rank)) for seed in (0, 1) for rank in (0, 1)}) == 4
