"""Which numbers a label map is written with."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import InputError
from .label_conventions import find_convention
from .label_tables import label_table

__all__ = ["output_numbers"]

HIGHEST = 255


def output_numbers(
    convention: str | Mapping[int | str, int] | None, num_classes: int, table: str = "brain_tumour"
) -> list[int]:
    """Return the number that each class is written with, background first.

    Args:
        convention: of a data set, such as "brats2021" (enhancing tumour is 4); a mapping from class to number; None to
            write the classes' own numbers.
        num_classes: background included.
        table: of what the labels show.

    Raises:
        InputError: a convention that has no number, or two numbers, for a class; two classes of one number.
    """
    if convention is None:
        return list(range(num_classes))
    if isinstance(convention, str):
        name, classes = find_convention(convention, table=label_table(table))
        written = {klass: [value for value, known in classes.items() if known == klass] for klass in range(num_classes)}
        written[0] = [0]
        if any(len(values) != 1 for values in written.values()):
            raise InputError(_no_single_number(name, written))
        return [values[0] for _, values in sorted(written.items())]
    try:
        numbers = {int(klass): int(value) for klass, value in convention.items()}
    except (AttributeError, TypeError, ValueError):
        numbers = {}
    values = [numbers.get(klass, 0 if klass == 0 else -1) for klass in range(num_classes)]
    if set(numbers) - set(range(num_classes)) or not all(0 <= value <= HIGHEST for value in values):
        raise InputError(
            f"--output_convention: expected a number up to {HIGHEST} for each class from 1 to {num_classes - 1}, got "
            f"{convention}; correct it."
        )
    if len(set(values)) < num_classes:
        raise InputError(f"--output_convention: two classes have one number in {convention}; correct it.")
    return values


def _no_single_number(name: str, written: Mapping[int, list[int]]) -> str:
    """Say which class has no number of its own. The advice has the convention's numbers, so that none is swapped."""
    klass, values = next((klass, values) for klass, values in written.items() if len(values) != 1)
    found = " and ".join(map(str, values)) or "no number"
    if not all(written.values()):
        return f"--output_convention: {name} has {found} for class {klass}; give another convention, or numbers."
    numbers = {klass: values[0] for klass, values in written.items() if klass}
    return f'--output_convention: {name} has {found} for class {klass}; choose one, as in "{numbers}" (class: number).'
