"""Incomplete training: modalities are taken away from cases for good."""

from __future__ import annotations

import logging
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.optimize import brentq

from ..errors import InputError
from .modality_subsets import modality_subsets

__all__ = ["incomplete_cases", "subset_probabilities"]

ALMOST_ONE = 1 + 1e-9  # up to this expected number of modalities exactly one stays


def incomplete_cases(
    cases: Sequence[Mapping[str, Any]], modalities: Sequence[str], rates: Mapping[str, float] | None, seed: int = 0
) -> list[dict[str, Any]]:
    """Return the cases without some of their modalities, as if they had never been acquired.

    Which modalities a case lacks is a function of the seed and its name: the same in every epoch, process and run,
    whatever the other cases are. At least one modality stays, and the rates hold all the same (`subset_probabilities`).
    If a case lacks modalities from the beginning, the rates apply to its other modalities, as far as one can stay.

    A log line says how many cases have which modalities, where not all have all of them.

    Args:
        cases: items as `find_mri_cases` lists them: "case", and a key per modality that is there.
        modalities: names of all modalities.
        rates: modality -> probability that a case lacks it; a modality without a rate stays. None or {}: all stay.
        seed: chooses the draw.

    Raises:
        InputError: no rate in [0, 1], an unknown modality, rates that leave less than one modality on average or
            nothing of a case, or no case to which they could apply.
    """
    names = sorted(modalities)  # the draw does not depend on the order of the channels
    staying = {name: 1.0 - rate for name, rate in _checked(rates, modalities).items()}
    if any(share < 1 for share in staying.values()):
        if not cases:
            raise InputError(
                "missing_rates: the train part has no case in files to take modalities from (painted cases are "
                "complete); give cases with --dataset_dir, or leave --missing_rates out."
            )
        cases = [_without(item, names, staying, seed) for item in cases]
    _report(cases, modalities)
    return [dict(item) for item in cases]


def subset_probabilities(staying: Sequence[float]) -> tuple[list[tuple[bool, ...]], list[float]]:
    r"""Return every non-empty subset of modalities and its probability, so that modality m is in it with `staying[m]`.

    Modalities are drawn independently, without the empty subset:

    .. math:: P(S) = \frac{1}{Z} \prod_{m \in S} Z q_m \prod_{m \notin S} (1 - Z q_m), \quad
        Z = 1 - \prod_m (1 - Z q_m)

    With Z, the probability that something is drawn, modality m is in S with probability q_m exactly. A plain repeated
    draw (Z = 1 on the right) would keep it more often. Z in (0, 1] exists if the q_m sum to more than one. If they sum
    to one or less, exactly one modality is drawn, with probabilities in proportion to q.

    Args:
        staying: q, in [0, 1], not all zero.
    """
    subsets, total = modality_subsets(len(staying)), sum(staying)
    if total <= ALMOST_ONE:
        weights = [staying[subset.index(True)] if sum(subset) == 1 else 0.0 for subset in subsets]
    else:
        drawn = [share * _share_not_empty(staying) for share in staying]
        weights = [
            math.prod(share if used else 1 - share for share, used in zip(drawn, subset, strict=True))
            for subset in subsets
        ]
    return subsets, [weight / sum(weights) for weight in weights]


def _share_not_empty(staying: Sequence[float]) -> float:
    """Return Z of `subset_probabilities`: the one root of a concave function, between 0 and 1."""
    if max(staying) == 1:
        return 1.0

    def excess(z: float) -> float:
        return -math.expm1(sum(math.log1p(-z * share) for share in staying)) - z

    return brentq(excess, 1e-12, 1.0, xtol=1e-15)


def _without(item: Mapping[str, Any], names: Sequence[str], staying: Mapping[str, float], seed: int) -> dict[str, Any]:
    present = [name for name in names if name in item]
    shares = [staying[name] for name in present]
    if not any(shares):
        raise InputError(
            f"missing_rates: leave nothing of case {item['case']}, which has {', '.join(present) or 'no file'} only; "
            "give smaller rates, or leave the case out with --split_files."
        )
    subsets, probabilities = subset_probabilities(shares)
    random = np.random.default_rng([seed, zlib.crc32(str(item["case"]).encode())])
    subset = subsets[random.choice(len(subsets), p=probabilities)]
    gone = {name for name, stays in zip(present, subset, strict=True) if not stays}
    return {key: value for key, value in item.items() if key not in gone}


def _checked(rates: Mapping[str, float] | None, modalities: Sequence[str]) -> dict[str, float]:
    """Return a rate for every modality."""
    example = f"\"{{'{modalities[0]}': 0.5}}\""
    if not isinstance(rates or {}, Mapping):
        raise InputError(f"missing_rates: expected a rate per modality, as {example}, got {rates!r}; correct it.")
    given = dict(rates or {})
    for name, rate in given.items():
        if name not in modalities:
            raise InputError(f"missing_rates: expected modalities ({', '.join(modalities)}), got {name!r}; correct it.")
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= 1:
            raise InputError(f"missing_rates: expected numbers from 0 to 1, got {rate!r} for {name}; correct it.")
    everywhere = {name: float(given.get(name, 0.0)) for name in modalities}
    left = sum(1 - rate for rate in everywhere.values())
    if left < 2 - ALMOST_ONE:
        raise InputError(
            f"missing_rates: {given} leave {left:.2g} modalities per case on average, but every case keeps at least "
            f"one; give rates that sum to at most {len(modalities) - 1}."
        )
    return everywhere


def _report(cases: Sequence[Mapping[str, Any]], modalities: Sequence[str]) -> None:
    listed = [item for item in cases if any(name in item for name in modalities)]
    counts = {name: sum(name in item for item in listed) for name in modalities}
    if any(count < len(listed) for count in counts.values()):
        logging.getLogger(__name__).info(
            "Modalities of the %d training cases: %s; %d have all.",
            len(listed),
            ", ".join(f"{name} in {count}" for name, count in counts.items()),
            sum(all(name in item for name in modalities) for item in listed),
        )
