from collections import Counter

import pytest
import torch

from shared.transforms import RandModalitySubsetd

DRAWS = 3000


def image_of(present):
    image = torch.zeros(len(present), 2, 2, 2)
    for channel, is_present in zip(image, present, strict=True):
        channel[:] = torch.arange(8.0).view(2, 2, 2)
        if not is_present:
            channel[0, 1] = torch.nan  # as rotation and padding leave it: not NaN everywhere
    return image


def drawn(present, prob=1.0, draws=DRAWS):
    transform, image = RandModalitySubsetd(prob=prob).set_random_state(seed=0), image_of(present)
    return [tuple(transform({"image": image})["keep"].tolist()) for _ in range(draws)]


@pytest.mark.parametrize("present", [(True,) * 4, (True, False, True), (False, True, True, True), (True, True)])
def test_every_non_empty_subset_of_what_is_there_is_equally_likely(present):
    counts = Counter(drawn(present))
    subsets = 2 ** sum(present) - 1
    assert len(counts) == subsets
    assert all(any(keep) and all(p or not k for p, k in zip(present, keep, strict=True)) for keep in counts)
    expected = DRAWS / subsets
    chi_square = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_square < 40  # 14 degrees of freedom: exceeded once in 4000 seeds


def test_one_of_four_modalities_is_kept_in_8_of_15_draws():
    kept = torch.tensor(drawn((True,) * 4)).float().mean(dim=0)
    torch.testing.assert_close(kept, torch.full((4,), 8 / 15), atol=0.03, rtol=0)  # 3 standard errors


def test_with_probability_0_all_that_are_there_are_kept():
    assert set(drawn((True, False, True), prob=0.0, draws=20)) == {(True, False, True)}


def test_with_probability_one_half_all_are_kept_in_8_of_15_draws():
    complete = Counter(drawn((True,) * 4, prob=0.5))[(True,) * 4] / DRAWS
    assert complete == pytest.approx(0.5 + 0.5 / 15, abs=0.03)


def test_the_one_modality_that_is_there_is_always_kept():
    assert set(drawn((False, True, False), draws=20)) == {(False, True, False)}


def test_neither_the_image_nor_the_item_is_changed():
    item = {"image": image_of((True, False)), "label": 1}
    before = item["image"].clone()
    result = RandModalitySubsetd(keep_key="used")(item)
    assert list(item) == ["image", "label"]
    assert result["image"] is item["image"]
    assert torch.equal(item["image"].nan_to_num(-1), before.nan_to_num(-1))
    assert result["used"].dtype == torch.bool


def test_the_same_seed_draws_the_same_and_the_global_generators_have_no_part():
    torch.manual_seed(1)
    first = drawn((True,) * 4, draws=10)
    torch.manual_seed(2)
    assert drawn((True,) * 4, draws=10) == first


def test_a_case_without_modalities_is_refused():
    with pytest.raises(ValueError, match="no modality is present"):
        RandModalitySubsetd()({"image": image_of((False, False))})


@pytest.mark.parametrize("prob", [-0.1, 1.5])
def test_a_probability_outside_0_and_1_is_refused(prob):
    with pytest.raises(ValueError, match="prob: between 0 and 1"):
        RandModalitySubsetd(prob=prob)
