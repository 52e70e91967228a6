"""Keep what goes wrong with one case from ending the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai.engines import SupervisedEvaluator

from ..atomic_write import require_writable
from ..data import CaseStream

__all__ = ["CaseGuard"]


class CaseGuard:
    """Do a whole case, from the network to the files; one that fails is passed over by `CaseStream.skip`.

    For `SupervisedEvaluator(iteration_update=...)`: postprocessing and writing run inside an iteration too.

    Args:
        stream: where the cases come from, and where those that failed are noted.
        output_dir: folder of the results; that it can be written is found before the first case is done.
    """

    def __init__(self, stream: CaseStream, output_dir: str) -> None:
        self.stream = stream
        self.output_dir = output_dir
        self.is_writable = False

    def __call__(self, engine: SupervisedEvaluator, batch: Mapping[str, Any]) -> Any:
        """Do one iteration.

        Raises:
            InputError: the output folder cannot be written.
        """
        if not self.is_writable:
            require_writable(self.output_dir)
            self.is_writable = True
        names = batch.get("case", ["a case"])
        try:
            return engine._iteration(engine, batch)
        except Exception as error:
            name = ", ".join(map(str, names)) if isinstance(names, (list, tuple)) else str(names)
            self.stream.skip(error, name)
            engine.state.batch, engine.state.output = [{"case": name}], [{}]
            return engine.state.output
