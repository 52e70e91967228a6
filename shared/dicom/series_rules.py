"""Rules that decide which series of a study is which modality."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ..errors import InputError
from .headers import PARAMETERS
from .stacks import Stack

__all__ = ["Fit", "SeriesRule", "series_rules"]

FEWEST_SLICES = 5
BY_WORDS, BY_PARAMETERS = 2, 1  # points: what people wrote counts more than what two numbers allow
NEEDED = ("echo_time_ms", "repetition_time_ms")
UNITS = {"b_value": "s/mm2"}


@dataclass(frozen=True)
class Fit:
    """How well a series fits a modality.

    Attributes:
        points: 0 where it does not.
        why: what speaks for it; or, with 0 points, what speaks against it.
    """

    points: int
    why: str


@dataclass(frozen=True)
class SeriesRule:
    """What a series of one modality has.

    A series fits by its words, or by its parameters alone, and only if nothing speaks against it. The parameters are
    `image_type`, echo and repetition time, and whatever must be above 0, as far as the rule has them. A parameter that
    a file does not have speaks neither for nor against.

    Words are regular expressions for whole words of the series description, in small letters and without accents; "*"
    is written as "star" and "+" as "plus".

    Attributes:
        words: one of them in the description speaks for the modality.
        not_words: one of them speaks against it.
        contrast_words: one of them says that a contrast agent was given.
        no_contrast_words: one of them says that none was. Without either, the tag ContrastBolusAgent says it.
        contrast: whether one must have been given; None: either.
        image_type: one of these values of ImageType speaks for it.
        not_image_type: one of them speaks against it.
        not_sequence: regular expressions of ScanningSequence and SequenceName that speak against it.
        derived: the image must be DERIVED, or have one of `image_type`.
        plane: "axial", "coronal" or "sagittal"; None: any.
        echo_time_ms: least and greatest.
        repetition_time_ms: least and greatest.
        inversion_time_ms: least and greatest.
        b_value: least and greatest, s/mm2.
    """

    words: Sequence[str] = ()
    not_words: Sequence[str] = ()
    contrast_words: Sequence[str] = ()
    no_contrast_words: Sequence[str] = ()
    contrast: bool | None = None
    image_type: Sequence[str] = ()
    not_image_type: Sequence[str] = ()
    not_sequence: Sequence[str] = ()
    derived: bool = False
    plane: str | None = None
    echo_time_ms: Sequence[float] | None = None
    repetition_time_ms: Sequence[float] | None = None
    inversion_time_ms: Sequence[float] | None = None
    b_value: Sequence[float] | None = None

    def fit(self, stack: Stack) -> Fit:
        """Compare a stack with the rule."""
        against = self._against(stack)
        if against:
            return Fit(0, against)
        points, why = 0, []
        if word := _found(self.words, stack.first.description):
            points += BY_WORDS
            why.append(f"description says {word}")
        said = self._by_parameters(stack)
        if said:
            points += BY_PARAMETERS
            why += said
        if not points:
            return Fit(0, "neither description nor parameters say so")
        if self.contrast is not None:
            why.append("with contrast agent" if self.contrast else "no contrast agent")
            if self.contrast != stack.first.contrast:
                why[-1] += f" by the description, {'without' if self.contrast else 'although'} the tag"
        return Fit(points, ", ".join([*why, stack.plane]))

    def _against(self, stack: Stack) -> str:
        first, text = stack.first, stack.first.description
        if not first.is_mr:
            return f"no MR image but {first.kind or 'unknown'}" if first.kind != "MR" else "a secondary capture"
        if first.in_colour:
            return "in colour"
        if "mosaic" in first.image_type:
            return "a mosaic of slices in one image"
        if stack.plane == "several":
            return "several planes (a localizer)"
        if self.plane and stack.plane not in (self.plane, "unknown"):
            return f"{stack.plane}, not {self.plane}"
        if word := _found(self.not_words, text):
            return f"description says {word}"
        if kinds := [kind for kind in first.image_type if kind in self.not_image_type]:
            return f"ImageType {kinds[0].upper()}"
        if names := [name for name in first.sequence if any(re.fullmatch(p, name) for p in self.not_sequence)]:
            return f"sequence {names[0].upper()}"
        kinds = [kind for kind in first.image_type if kind in self.image_type]
        if self.derived and first.image_type and not kinds and "derived" not in first.image_type:
            return f"ImageType {first.image_type[0].upper()}, not DERIVED"
        given = self._contrast(stack)
        if self.contrast is not None and given != self.contrast:
            return "with contrast agent" if given else "no contrast agent"
        for name in PARAMETERS:
            limits, value = getattr(self, name), first.parameters.get(name)
            if limits is not None and value is not None and not limits[0] <= value <= limits[1]:
                return f"{_named(name, value)}, not {limits[0]:g} to {limits[1]:g}"
        if stack.num_slices < FEWEST_SLICES:
            return f"{stack.num_slices} slices only"
        return ""

    def _by_parameters(self, stack: Stack) -> list[str]:
        """Return what the parameters say, or nothing where they do not suffice."""
        kinds = [kind for kind in stack.first.image_type if kind in self.image_type]
        limits = {name: getattr(self, name) for name in PARAMETERS if getattr(self, name) is not None}
        needed = [name for name, (least, _) in limits.items() if name in NEEDED or least > 0]
        values = {name: stack.first.parameters.get(name) for name in needed}
        if (self.image_type and not kinds) or None in values.values() or not (kinds or values):
            return []
        return [f"ImageType {kind.upper()}" for kind in kinds] + [_named(name, values[name]) for name in needed]

    def _contrast(self, stack: Stack) -> bool:
        """Whether a contrast agent was given: what people wrote counts more than the tag."""
        if _found(self.no_contrast_words, stack.first.description):
            return False
        return bool(_found(self.contrast_words, stack.first.description)) or stack.first.contrast


def series_rules(given: Mapping[str, Mapping[str, Any]], modalities: Sequence[str]) -> dict[str, SeriesRule]:
    """Make the rules of `inference.json`'s `series_rules`; keys that begin with "_" are notes.

    Raises:
        InputError: a rule has an entry that rules do not have; a modality has no rule.
    """
    known = {field.name for field in fields(SeriesRule)}
    rules = {}
    for modality in modalities:
        entries = given.get(modality)
        if not isinstance(entries, Mapping):
            raise InputError(f"series_rules: expected a rule for {modality}, got {entries!r}; add one.")
        if unknown := sorted(set(entries) - known):
            raise InputError(
                f"series_rules: {modality} has {unknown[0]!r}, but a rule has {', '.join(sorted(known))}; correct it."
            )
        rules[modality] = SeriesRule(**entries)
    return rules


def _found(words: Sequence[str], description: str) -> str:
    """Return the first of the words that is in a description, as it is written there; "" where none is."""
    text = unicodedata.normalize("NFKD", description.casefold()).replace("*", " star ").replace("+", " plus ")
    text = " ".join(re.findall(r"[a-z0-9]+", "".join(char for char in text if not unicodedata.combining(char))))
    for word in words:
        if match := re.search(rf"(?<!\S)(?:{word})(?!\S)", text):
            return match[0]
    return ""


def _named(name: str, value: float) -> str:
    return f"{name.removesuffix('_ms').replace('_', ' ')} {value:g} {UNITS.get(name, 'ms')}"
