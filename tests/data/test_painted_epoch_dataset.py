"""The training set that paints: with a painter of this test's own, which paints its seed."""

import re

import pytest
import torch
from monai.data import DataLoader
from monai.transforms import Compose, Lambdad, RandFlipd, Transform

from shared.data import PaintedEpochDataset, find_mri_cases_if_given, split_with_painted
from shared.errors import InputError


def painter(seed):
    return {"image": torch.tensor([float(number) for number in seed], dtype=torch.float64)}


class CallPainted(Transform):
    """What `LoadImageModalitiesd` does."""

    def __call__(self, data):
        made = dict(data)
        return made | made.pop("painted", dict)()


def make_dataset(real=0, share=1.0, seed=7, per_epoch=6):
    data = [{"case": f"real_{k}", "image": torch.full((3,), -1.0 - k)} for k in range(real)]
    transform = Compose([CallPainted(), Lambdad("image", lambda image: image * 1.0), RandFlipd("image", prob=0.0)])
    return PaintedEpochDataset(
        data, transform, seed=seed, painter=painter, painted_share=share, painted_per_epoch=per_epoch
    )


def painted(dataset, epoch):
    dataset.epoch = epoch
    return {tuple(item["image"].tolist()) for item in dataset if item["case"].startswith("Painted")}


def test_a_case_is_a_function_of_seed_epoch_and_index():
    assert painted(make_dataset(), epoch=3) == {(7.0, 3.0, float(index)) for index in range(6)}


def test_epochs_and_seeds_have_no_case_in_common():
    dataset = make_dataset()
    assert not painted(dataset, 1) & painted(dataset, 2)
    assert not painted(dataset, 1) & painted(make_dataset(seed=8), 1)


def test_order_workers_and_what_was_painted_before_have_no_influence():
    unbroken, resumed = make_dataset(), make_dataset()
    painted(unbroken, 1)
    resumed.epoch = unbroken.epoch = 2
    forwards = {index: unbroken[index]["image"] for index in range(6)}
    for index in (4, 0, 5):
        assert torch.equal(resumed[index]["image"], forwards[index])
    loaded = [batch["image"][0] for batch in DataLoader(resumed, batch_size=1, num_workers=2)]
    assert all(torch.equal(image, forwards[index]) for index, image in enumerate(loaded))


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.25, 1), (0.5, 3), (0.75, 9)])
def test_an_epoch_shows_every_real_case_once_and_its_share_of_painted_ones(share, expected):
    dataset = make_dataset(real=3, share=share)
    cases = [item["case"] for item in dataset]
    assert cases[:3] == ["real_0", "real_1", "real_2"]
    assert len(cases) == 3 + expected
    assert [float(dataset[k]["image"][0]) for k in range(3)] == [-1.0, -2.0, -3.0]


def test_painted_alone_uses_no_real_case():
    cases = [item["case"] for item in make_dataset(real=3, share=1.0)]
    assert cases == [f"Painted_{index:05d}" for index in range(6)]


def test_a_share_without_real_cases_is_named():
    message = "painted_share 0.5 mixes painted cases with real ones, but the train part has no real case"
    with pytest.raises(InputError, match=re.escape(message)):
        make_dataset(share=0.5)
    with pytest.raises(InputError, match=r"painted_share: expected a number from 0 to 1, got 1\.5"):
        make_dataset(share=1.5)


def test_parts_without_real_cases_are_filled_with_fixed_painted_ones():
    counts = {"validation": 2, "test": 3}
    parts = split_with_painted([], painter, counts)
    assert {part: len(items) for part, items in parts.items()} == {"train": 0, "validation": 2, "test": 3}
    seeds = [tuple(item["painted"]()["image"].tolist()) for part in parts.values() for item in part]
    assert len(set(seeds)) == 5
    assert {len(seed) for seed in seeds} == {2}, "no seed of a training, which has three numbers"
    real = [{"case": f"case_{k}"} for k in range(4)]
    mixed = split_with_painted(real, painter, counts, fractions=(0.75, 0.25, 0.0))
    assert [item["case"] for item in mixed["test"]] == [f"Painted_test_{k:03d}" for k in range(3)]
    assert len(mixed["train"]) == 3
    assert [item["case"][:5] for item in mixed["validation"]] == ["case_"]
    with pytest.raises(InputError, match="painted_cases: the parts are validation and test, not 'train'"):
        split_with_painted([], painter, {"train": 2})


def test_no_folder_means_no_real_case(tmp_path):
    assert find_mri_cases_if_given("", modalities="flair") == []
    with pytest.raises(InputError, match="no such folder"):
        find_mri_cases_if_given(tmp_path / "none", modalities="flair")
