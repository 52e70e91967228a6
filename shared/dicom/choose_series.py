"""Choose a series of a study for every modality, and say why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import InputError
from .series_rules import Fit, SeriesRule
from .stacks import Stack

__all__ = ["Choice", "choose_series"]

MOST_NAMED = 8  # series in one line


class Choice(NamedTuple):
    """A series and why it was taken.

    Attributes:
        stack: of the series.
        why: what speaks for it.
        doubt: what speaks against it, where a person chose it; else "".
    """

    stack: Stack
    why: str
    doubt: str = ""


def choose_series(
    stacks: Sequence[Stack], rules: Mapping[str, SeriesRule], series: Mapping[str, Any]
) -> tuple[dict[str, Choice], dict[str, dict[str, str]]]:
    """Choose the series that fits each modality best.

    Args:
        stacks: of a study.
        rules: one per modality.
        series: {modality: number, description or UID of the series, or None to leave the modality out}, which counts
            more than the rules.

    Returns:
        {modality: choice} of those that are there, and {modality: {series: why not}}.

    Raises:
        InputError: two series fit a modality equally well; one series fits two modalities; `series` names none or
            several; or no modality is there.
    """
    if unknown := [name for name in series if name not in rules]:
        raise InputError(f"--series: names {unknown[0]!r}, but the modalities are {', '.join(rules)}; correct it.")
    chosen: dict[str, Choice] = {}
    left: dict[str, dict[str, str]] = {}
    names = _told_apart(stacks)
    for modality, rule in rules.items():
        if modality in series:
            if series[modality] is not None:
                stack = _named_stack(stacks, modality, series[modality])
                fit = rule.fit(stack)
                chosen[modality] = Choice(stack, "--series says so", "" if fit.points else fit.why)
            continue
        fits = [rule.fit(stack) for stack in stacks]
        best = max(fits, key=lambda fit: fit.points, default=Fit(0, ""))
        equal = [stack for stack, fit in zip(stacks, fits, strict=True) if fit.points == best.points > 0]
        if len(equal) > 1:
            raise InputError(
                f"{modality}: {' and '.join(_told_apart(equal))} fit equally well ({best.why}); choose with "
                f"--series \"{{'{modality}': '{_handle(equal[0], stacks)}'}}\"."
            )
        if equal:
            chosen[modality] = Choice(equal[0], best.why)
        left[modality] = {
            name: f"fits less well ({fit.why})" if fit.points else fit.why
            for name, stack, fit in zip(names, stacks, fits, strict=True)
            if not equal or stack is not equal[0]
        }
    if not chosen:
        raise InputError(
            f"dicom_dir: none of its {len(stacks)} series fits {' or '.join(rules)}: {_listed(stacks)}; choose with "
            f"--series \"{{'{next(iter(rules))}': 'NUMBER'}}\"."
        )
    _refuse_one_for_two(chosen, stacks)
    _refuse_contrast_before_none(chosen, rules, series)
    return chosen, left


def _named_stack(stacks: Sequence[Stack], modality: str, name: Any) -> Stack:
    """Return the stack that has a number, a description or a UID."""
    wanted = str(name).strip()
    found = [stack for stack in stacks if wanted in (stack.number, stack.first.series)]
    found = found or [stack for stack in stacks if wanted == stack.first.number]
    found = found or [stack for stack in stacks if wanted and wanted.lower() == stack.first.description.lower()]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"--series: {wanted!r} for {modality} names {len(found)} series, {' and '.join(_told_apart(found))}; "
            f"give '{_handle(found[0], stacks)}' or another."
        )
    raise InputError(f"--series: {wanted!r} for {modality} is none of {_listed(stacks)}; correct it.")


def _listed(stacks: Sequence[Stack]) -> str:
    return ", ".join([str(stack) for stack in stacks[:MOST_NAMED]] + ["..."] * (len(stacks) > MOST_NAMED))


def _told_apart(stacks: Sequence[Stack]) -> list[str]:
    """Name stacks, with the UID where number and description are those of another."""
    names = [str(stack) for stack in stacks]
    uids = [f" {stack.first.series}" for stack in stacks]
    return [name + uid * (names.count(name) > 1) for name, uid in zip(names, uids, strict=True)]


def _handle(stack: Stack, stacks: Sequence[Stack]) -> str:
    """Return what names a stack alone: its number, else the UID of its series."""
    is_alone = bool(stack.first.number) and [other.number for other in stacks].count(stack.number) == 1
    return stack.number if is_alone else stack.first.series


def _refuse_one_for_two(chosen: Mapping[str, Choice], stacks: Sequence[Stack]) -> None:
    for modality, choice in chosen.items():
        for other, second in chosen.items():
            if other != modality and choice.stack is second.stack:
                raise InputError(
                    f"{choice.stack}: fits both {modality} and {other}; choose with --series "
                    f"\"{{'{modality}': '{_handle(choice.stack, stacks)}', '{other}': None}}\" or another."
                )


def _refuse_contrast_before_none(
    chosen: Mapping[str, Choice], rules: Mapping[str, SeriesRule], series: Mapping[str, Any]
) -> None:
    """Refuse an image with contrast agent that was made before the one without: the agent stays for hours."""
    for with_agent, later in chosen.items():
        for without, earlier in chosen.items():
            if not rules[with_agent].contrast or rules[without].contrast is not False:
                continue
            times = [min(header.time for header in choice.stack.headers) for choice in (earlier, later)]
            if all(times) and times[1] < times[0] and not {with_agent, without} <= set(series):
                raise InputError(
                    f"{with_agent} is {later.stack}, made before {without}, {earlier.stack}: a contrast agent stays, "
                    f"so one of the two is not what it seems; choose both with --series \"{{'{with_agent}': 'NUMBER', "
                    f"'{without}': 'NUMBER'}}\"."
                )
