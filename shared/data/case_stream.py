"""Read cases one after the other; name and skip those that fail."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from torch.utils.data import IterableDataset

from ..errors import InputError, ends_the_run, find_input_error, in_one_line
from .case_names import fault_of_name, name_of_item, refuse_same_names
from .process_share import gathered

__all__ = ["CaseStream"]

MOST_NAMED = 20  # cases in one line


class CaseStream(IterableDataset):
    """Transformed cases in order, without those that cannot be used.

    A case with which something goes wrong is logged and skipped, so that the rest of a cohort is done: an unusable
    name (found before the first case is read), an image that cannot be read, or anything else that `skip` is told.
    `raise_failures` at the end turns what was skipped into the status of the run. Cases whose numbers are in
    `finished` (see `SkipFinished`) are not read, and count as done. Read it in the process that
    predicts (`num_workers` 0).

    Args:
        data: case items, all of them on every process.
        transform: reads and prepares one case.
        case_names: "plain" if files are called after the cases, "hash" if after a hash of the cases' names.
        longest_ending: of the names of a case's files, which tells how long the case's own name may be.
        hand_out: a function such as `hand_out`, which takes the names of all cases and yields the numbers of those for
            this process; None for all.

    Raises:
        InputError: there is no case, or two have one name.
    """

    def __init__(
        self,
        data: Sequence,
        transform: Callable,
        case_names: str = "plain",
        longest_ending: str = "_disagreement.nii.gz",
        hand_out: Callable[[Sequence[str]], Iterable[int]] | None = None,
    ) -> None:
        self.data = data
        self.transform = transform
        self.longest_ending = None if case_names == "hash" else longest_ending
        self.hand_out = hand_out
        self.failures: dict[int, str] = {}  # of this process: number of a case to why it was skipped
        self.finished: set[int] = set()
        self.handed_out: list[int] = []  # numbers of the cases that this process was given
        self.cases_left = len(data)
        self.done_before: dict[str, Any] = {}
        if not len(data):
            raise InputError("the list of cases is empty, so there is nothing to do; give --dataset_dir or --datalist.")
        refuse_same_names(data)

    def __iter__(self) -> Iterator:
        self.failures, self.handed_out, self.done_before = {}, [], {}
        unusable = {index: fault for index, case in enumerate(self.data) if (fault := self._fault(case))}
        order = [*unusable, *(index for index in range(len(self.data)) if index not in unusable)]
        names = [name_of_item(self.data[index]) for index in order]
        for position in range(len(names)) if self.hand_out is None else self.hand_out(names):
            index = order[position]
            case = self.data[index]
            self.handed_out.append(index)
            self.cases_left = sum(number not in self.finished for number in order[position + 1 :])
            if index in unusable:
                self.skip(InputError(unusable[index]))
                continue
            if index in self.finished:
                continue
            try:
                prepared = [self.transform(case)]
                self._refuse_name_again(prepared[0], case)
            except Exception as error:
                self.skip(error, _shown(case))
                continue
            yield prepared.pop()  # a name would keep it in memory until the next one is asked for

    def skip(self, error: Exception, case: str = "a case") -> None:
        """Pass over the case that was handed out last, with which something went wrong.

        What is no `InputError` is named with its type; the traceback is in the log at level debug.

        Args:
            error: what went wrong.
            case: its name, for the message.

        Raises:
            Exception: `error` again, where it will meet the other cases too: no memory, no space on the disk.
        """
        if ends_the_run(error):
            raise error
        failure = find_input_error(error)
        if failure is None:
            failure = f"case {case}: unexpected {_in_one_line(error)} (its traceback is in the log at level DEBUG)"
        logger = logging.getLogger(type(self).__name__)
        self.failures[self.handed_out[-1]] = str(failure)
        logger.error("Skipped: %s", failure)
        logger.debug("Traceback of what was skipped:", exc_info=error)

    def raise_failures(self) -> None:
        """Raise one `InputError` that names every case that was skipped, if any was.

        Where several processes share the cases, each waits here for the others, and all raise the same: if one ended
        earlier, `torchrun` would end the others in the middle of their cases.
        """
        skipped = [failure for part in gathered(self.failures) for failure in part.values()]
        if skipped:
            cases, more = len(self.data), len(skipped) - MOST_NAMED
            rest = f" | and {more} more, named above as skipped" if more > 0 else ""
            done = f"{cases - len(skipped)} of {cases} cases done"
            raise InputError(f"{done}; not done: {' | '.join(skipped[:MOST_NAMED])}{rest}")

    def _fault(self, case: Any) -> str | None:
        if self.longest_ending is None or not isinstance(case, Mapping) or "case" not in case:
            return None
        return fault_of_name(case["case"], self.longest_ending)

    def _refuse_name_again(self, prepared: Any, case: Any) -> None:
        """Refuse a name that reading gave to a second case: that of its file."""
        if not isinstance(prepared, Mapping) or "case" not in prepared:
            return
        name = str(prepared["case"])
        if name in self.done_before:
            refuse_same_names([{**self.done_before[name], "case": name}, {**case, "case": name}])
        if self.longest_ending is not None and (fault := fault_of_name(name, self.longest_ending)):
            raise InputError(fault)
        self.done_before[name] = case


def _shown(case: Any) -> str:
    """Return the name of a case, or its first file."""
    if not isinstance(case, Mapping):
        return str(case)
    return str(case.get("case", next(iter(case.values()), "without a name")))


def _in_one_line(error: Exception) -> str:
    """Return type and text of what first went wrong."""
    while error.__cause__ is not None:
        error = error.__cause__
    return in_one_line(error, most=200)
