import pytest
import torch
from monai.transforms import Compose, Lambdad, RandGaussianNoised, RandSpatialCropd

from shared.data import EpochDataset


def make_dataset(seed=0, cache_rate=1.0):
    data = [{"image": torch.arange(64.0).reshape(1, 8, 8) + 100 * case} for case in range(4)]
    transform = Compose(
        [
            Lambdad("image", lambda image: image * 1.0),
            RandSpatialCropd("image", roi_size=(4, 4), random_size=False),
            RandGaussianNoised("image", prob=1.0),
        ]
    )
    return EpochDataset(data, transform, seed=seed, cache_rate=cache_rate)


def drawn(dataset, epoch, order=(0, 1, 2, 3)):
    dataset.epoch = epoch
    images = {index: dataset[index]["image"].as_tensor() for index in order}
    return torch.stack([images[index] for index in sorted(images)])


@pytest.mark.parametrize("cache_rate", [0.0, 0.5, 1.0])
def test_seed_epoch_and_index_alone_decide(cache_rate):
    unbroken, resumed = make_dataset(cache_rate=cache_rate), make_dataset(cache_rate=cache_rate)
    for epoch in (1, 2):
        drawn(unbroken, epoch)
    assert torch.equal(drawn(unbroken, 3), drawn(resumed, 3, order=(2, 0, 3, 1)))


def test_caching_changes_nothing():
    assert torch.equal(drawn(make_dataset(cache_rate=0.0), 1), drawn(make_dataset(cache_rate=1.0), 1))


@pytest.mark.parametrize(("seed", "epoch"), [(1, 1), (0, 2)])
def test_another_seed_or_epoch_draws_anew(seed, epoch):
    assert not torch.equal(drawn(make_dataset(), 1), drawn(make_dataset(seed=seed), epoch))


def test_cases_draw_independently():
    first = drawn(make_dataset(), 1)
    offsets = torch.tensor([0.0, 100, 200, 300]).view(4, 1, 1, 1)
    assert len({tuple(crop.flatten().tolist()) for crop in first - offsets}) == 4


def test_the_item_itself_stays_as_it_was():
    dataset = make_dataset()
    drawn(dataset, 1)
    assert torch.equal(dataset.data[0]["image"], torch.arange(64.0).reshape(1, 8, 8))
