import logging

import pytest
import torch
from monai.transforms import Compose

from shared.data import EpochDataset, incomplete_cases
from shared.data.incomplete_cases import subset_probabilities
from shared.errors import InputError
from shared.transforms import PrepareBraind, RandModalitySubsetd

ALL = ["t1", "t1ce", "t2", "flair"]
UNEQUAL = {"t1": 0.2, "t1ce": 0.4, "t2": 0.6, "flair": 0.8}


def cases(number, modalities=ALL):
    return [
        {"case": f"C{i:04d}", "label": "seg", **{name: [f"{i}.nii", 0] for name in modalities}} for i in range(number)
    ]


def patterns(items):
    return {item["case"]: "".join(str(int(name in item)) for name in ALL) for item in items}


def test_two_modalities_by_hand():
    """q = 1/2 and 3/4: 1 - (1 - Z/2)(1 - 3Z/4) = Z has the root 2/3, so that they are drawn with 1/3 and 1/2."""
    subsets, probabilities = subset_probabilities([0.5, 0.75])
    assert subsets == [(True, False), (False, True), (True, True)]
    assert probabilities == pytest.approx([1 / 4, 1 / 2, 1 / 4])


@pytest.mark.parametrize(
    "staying",
    [(0.8, 0.6, 0.4, 0.2), (0.3, 0.3, 0.3, 0.3), (1.0, 0.5, 0.0), (0.26, 0.25, 0.25, 0.25), (0.5, 0.5), (1.0,)],
)
def test_every_modality_stays_as_often_as_asked_although_no_case_is_empty(staying):
    subsets, probabilities = subset_probabilities(staying)
    assert sum(probabilities) == pytest.approx(1)
    assert all(any(subset) for subset in subsets)
    for number, share in enumerate(staying):
        stays = sum(p for subset, p in zip(subsets, probabilities, strict=True) if subset[number])
        assert stays == pytest.approx(share, abs=1e-6)


def test_where_the_rates_cannot_hold_one_modality_stays_in_proportion():
    subsets, probabilities = subset_probabilities([0.1, 0.3])
    assert dict(zip(subsets, probabilities, strict=True)) == pytest.approx(
        {(True, False): 0.25, (False, True): 0.75, (True, True): 0.0}
    )


def test_many_cases_lack_their_modalities_at_the_given_rates():
    found = incomplete_cases(cases(1000), ALL, UNEQUAL)
    for name, rate in UNEQUAL.items():
        lacking = sum(name not in item for item in found) / 1000
        assert lacking == pytest.approx(rate, abs=0.047)  # 3 standard errors at 1/2
    assert all(item["label"] == "seg" and any(name in item for name in ALL) for item in found)


def test_seed_and_name_alone_decide_in_every_process():
    """The literal holds for any order of cases and channels, and for any seed of Python's hashes."""
    expected = {"C0000": "0100", "C0001": "1010", "C0002": "0100", "C0003": "1010", "C0004": "1001", "C0005": "1001"}
    items = cases(6)
    before = [dict(item) for item in items]
    assert patterns(incomplete_cases(items, ALL, UNEQUAL)) == expected
    assert patterns(incomplete_cases(items[::-1], ALL[::-1], UNEQUAL)) == expected
    assert patterns(incomplete_cases(items[2:3], ALL, UNEQUAL)) == {"C0002": expected["C0002"]}
    assert patterns(incomplete_cases(items, ALL, UNEQUAL, seed=1)) != expected
    assert items == before


def test_a_case_that_lacks_modalities_keeps_one_of_its_own():
    found = incomplete_cases(cases(300, ["t1", "flair"]), ALL, {"t1": 0.9, "flair": 0.9, "t2": 0.3})
    assert set(patterns(found).values()) == {"1000", "0001"}


@pytest.mark.parametrize("rates", [None, {}, {"t1": 0.0}])
def test_without_rates_all_stay(rates):
    assert incomplete_cases(cases(5), ALL, rates) == cases(5)
    assert incomplete_cases([], ALL, rates) == []


def test_the_log_says_how_many_cases_have_which_modalities(caplog):
    caplog.set_level(logging.INFO)
    incomplete_cases(cases(3), ALL, None)
    assert caplog.messages == []
    incomplete_cases([*cases(2), *({"case": name, "t2": "b"} for name in "xy"), {"case": "painted"}], ALL, None)
    assert caplog.messages == [
        "Modalities of the 4 training cases: t1 in 2, t1ce in 2, t2 in 4, flair in 2; 2 have all."
    ]


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ({"t1": 1.1}, r"missing_rates: expected numbers from 0 to 1, got 1.1 for t1; correct it."),
        ({"t1": -0.1}, r"expected numbers from 0 to 1, got -0.1 for t1"),
        ({"t1": float("nan")}, r"expected numbers from 0 to 1, got nan for t1"),
        ({"t1": True}, r"expected numbers from 0 to 1, got True for t1"),
        ({"t1": "0.5"}, r"expected numbers from 0 to 1, got '0.5' for t1"),
        ({"t1c": 0.5}, r"expected modalities \(t1, t1ce, t2, flair\), got 't1c'; correct it."),
        (0.5, r"expected a rate per modality, as \"\{'t1': 0.5\}\", got 0.5; correct it."),
        ([0.5] * 4, r"expected a rate per modality, as"),
        (
            dict.fromkeys(ALL, 0.8),
            r"leave 0.8 modalities per case on average, but every case keeps at least one; give rates that sum to at "
            r"most 3.",
        ),
        (dict.fromkeys(ALL, 1), r"leave 0 modalities per case on average"),
    ],
)
def test_rates_without_meaning_are_refused(rates, words):
    with pytest.raises(InputError, match=words) as error:
        incomplete_cases(cases(2), ALL, rates)
    assert "\n" not in str(error.value)


def test_a_case_of_which_nothing_would_be_left_is_named():
    with pytest.raises(InputError, match="missing_rates: leave nothing of case C0000, which has t1 only; give smaller"):
        incomplete_cases(cases(1, ["t1"]), ALL, {"t1": 1.0})
    with pytest.raises(InputError, match="leave nothing of case p, which has no file only"):
        incomplete_cases([{"case": "p", "image": "p.nii"}], ALL, {"t1": 0.5})


def test_rates_without_cases_in_files_are_refused():
    with pytest.raises(InputError, match="no case in files to take modalities from"):
        incomplete_cases([], ALL, {"t1": 0.5})


@pytest.mark.parametrize("cache_rate", [0.0, 1.0])
def test_what_a_case_lacks_stays_nan_in_the_cache_and_keep_hides_more_of_the_rest(write_case, cache_rate):
    items = incomplete_cases([write_case(case) for case in ("C0007", "C0002")], ALL, UNEQUAL)
    transform = Compose(
        [PrepareBraind(ALL, (4, 4, 4), label_convention="brats2021", resample_label=True), RandModalitySubsetd()]
    )
    dataset, kept = EpochDataset(items, transform, seed=0, cache_rate=cache_rate), set()
    for epoch in range(1, 4):
        dataset.epoch = epoch
        first, second = dataset[0], dataset[1]
        assert [bool(channel.isnan().all()) for channel in first["image"]] == [False, False, True, True]
        assert [bool(channel.isnan().all()) for channel in second["image"]] == [True, False, True, True]
        assert second["keep"].tolist() == [False, True, False, False]
        kept.add(tuple(first["keep"].tolist()))
    assert len(kept) > 1
    assert torch.tensor(list(kept))[:, 2:].any().item() is False
