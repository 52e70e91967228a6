"""Settings that must be equal in training and inference, stored with the weights and compared when they are loaded."""

from __future__ import annotations

import json
import logging
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import InputError
from ..transforms.image_steps import option_text

__all__ = ["TRAINED_ON", "compare_model_settings", "plain", "read_model_settings", "with_model_settings"]

TRAINED_ON = "trained_on"  # among the settings of weights that a bundle includes: the data, in words
STEPS = "preprocessing"  # the setting that holds what `image_steps` returns
LIST = re.compile(r"(?<==)\[.*?\](?= |$)")  # the value of a step's option, if it is a list
KEY = "model settings"  # no module can have a name with this path: the metadata has an entry per module


def plain(value: Any) -> Any:
    """Return lists, dictionaries, numbers and texts as JSON reads them back."""
    return json.loads(json.dumps(value, default=str))


def with_model_settings(state_dict: Mapping[str, Tensor], settings: Mapping[str, Any]) -> OrderedDict[str, Tensor]:
    """Return a state dict with settings in its metadata.

    `Module.state_dict` returns a dictionary with an attribute `_metadata`. `torch.save` and `torch.load` keep it, also
    with `weights_only=True`, and `load_state_dict` ignores entries of other modules. A copied file keeps its settings.
    """
    stored = OrderedDict(state_dict)
    stored._metadata = OrderedDict(getattr(state_dict, "_metadata", {}))
    stored._metadata[KEY] = plain(settings)
    return stored


def read_model_settings(metadata: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the settings of a state dict's metadata, or None if it has none."""
    settings = metadata.get(KEY) if isinstance(metadata, Mapping) else None
    return settings if isinstance(settings, dict) else None


def compare_model_settings(
    path: Path, trained: Mapping[str, Any] | None, given: Mapping[str, Any], may_differ: Sequence[str] = ()
) -> None:
    """Refuse weights that were trained with other settings; warn if the file does not name any.

    A step of "preprocessing" with a list that is also a setting, such as the spacing, differs with the setting and does
    not count a second time. (Words and numbers are equal by chance too often to say what a step follows.)

    Args:
        path: file of the weights, for messages.
        trained: settings stored with the weights, or None.
        given: settings of this run; names that only one of both has are not compared.
        may_differ: names of settings that differ on purpose.

    Raises:
        InputError: a setting differs; the text has its name, both values and the option.
    """
    logger = logging.getLogger("WeightsLoader")
    if unknown := [name for name in may_differ if name not in given]:
        raise InputError(f"--settings_may_differ: {unknown[0]!r} is no such setting; give some of {', '.join(given)}.")
    if not given:
        return
    if trained is None:
        logger.warning("%s does not store its training's settings; check that %s are the same.", path, ", ".join(given))
        return
    different = _different(trained, plain(given))
    for name in set(different) & set(may_differ):
        logger.warning("%s: trained with %s = %s, used with %s.", path, name, *_shown(*different[name]))
    if refused := [name for name in different if name not in may_differ]:
        name, (then, now) = refused[0], _shown(*different[refused[0]])
        raise InputError(
            f"{path}: trained with {name} = {then}, but {name} = {now} is given; set --{name} as in the training, "
            f'or allow the difference with --settings_may_differ "{list(different)}".'
        )


def _different(trained: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return {name: (trained, given)} of the settings that differ by themselves."""
    pairs = {name: (trained[name], value) for name, value in given.items() if trained.get(name, value) != value}
    then, now = pairs.pop(STEPS, ([], []))
    changed = {option_text(before): option_text(after) for before, after in pairs.values()}
    steps = [LIST.sub(lambda value: changed.get(value[0], value[0]), step) for step in then]
    return pairs if steps == now else {**pairs, STEPS: (then, now)}


def _shown(trained: Any, given: Any) -> tuple[Any, Any]:
    """Shorten two lists of texts to the first entries that differ, where the whole would not fit into a line."""
    if isinstance(trained, list) and isinstance(given, list) and len(f"{trained}{given}") > 120:
        for place in range(max(len(trained), len(given))):
            pair = [values[place] if place < len(values) else None for values in (trained, given)]
            if pair[0] != pair[1]:
                return f"[... {pair[0]!r} ...]", f"[... {pair[1]!r} ...]"
    return trained, given
