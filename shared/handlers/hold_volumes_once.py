"""Leave the volumes of a case to one holder, who can give their memory back."""

from __future__ import annotations

from ignite.engine import Engine
from monai.engines import IterationEvents
from torch import Tensor

from ..transforms.give_back import give_back

__all__ = ["HoldVolumesOnce"]


class HoldVolumesOnce:
    """Once the network has seen a case, leave its volumes to the engine's state alone, each of them once.

    MONAI's engine also keeps the batch and the image in variables of its iteration until the case is done, so that
    `ShownModalityd(free_image=True)` and `LeaveGridd` could not give memory back; with a GPU the batch has a second
    image on the CPU. What is in batch and output (the image, a label) is left to the output. No values are copied.
    """

    def attach(self, engine: Engine) -> None:
        """Act on an evaluator before its postprocessing begins."""
        engine.add_event_handler(IterationEvents.FORWARD_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Replace volumes by other tensors with the same memory, and empty the old ones."""
        batch, output = engine.state.batch, engine.state.output
        for key in [key for key, value in output.items() if isinstance(value, Tensor) and key in batch]:
            del batch[key]
            output[key] = _moved(output[key])
        engine.state.batch = {key: _moved(value) for key, value in batch.items()}


def _moved(value: object) -> object:
    """Return a tensor's values as another tensor, and leave it empty."""
    if not isinstance(value, Tensor):
        return value
    other = value.detach()
    give_back(value)
    return other
