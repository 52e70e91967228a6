"""What the preparation of every organ's images begins with, and how it is undone."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from monai.config import KeysCollection
from monai.transforms import Compose, InvertibleTransform, MapTransform, Transform
from monai.transforms.utils import allow_missing_keys_mode

from .load_modalities import LoadImageModalitiesd
from .map_label import Cases, MapLabeld
from .same_grid import RequireSameGridd
from .stack_modalities import StackModalitiesd

__all__ = ["PrepareImaged", "reading_steps"]


class PrepareImaged(MapTransform, InvertibleTransform):
    """Steps from files to a network's input, as one transform that is cached as a whole and can be undone.

    A plain `Compose` in a bundle's preprocessing would count as random, and `CacheDataset` would not cache it.

    Args:
        keys: what is moved onto the new grid: "image", and "label" where it goes with the image.
        steps: deterministic transforms.
    """

    def __init__(self, keys: KeysCollection, steps: Sequence[Transform]) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys=True)
        self.steps = Compose(steps)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return self.steps(dict(data))

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Bring what is on the new grid back to that of the files."""
        with allow_missing_keys_mode(self.steps):
            return self.steps.inverse(dict(data))


def reading_steps(
    modalities: KeysCollection,
    *,
    masks: Sequence[str] = (),
    table: str,
    resample: bool = False,
    reference: str | None = None,
    only_modality: str | None = None,
    layout: str | Mapping[str, str] | None = None,
    label_convention: str | Mapping[int | str, int] | None = None,
    cases: Cases = (),
) -> list[Transform]:
    """Return the steps that load and stack modalities, translate the label's numbers, and compare grids.

    Args:
        modalities: see `StackModalitiesd`, also for `resample`, `reference` and `only_modality`.
        masks: further entries to read.
        table: what the labels show, see `MapLabel`.
        resample: see above.
        reference: see above.
        only_modality: see above.
        layout: see `MapLabel`, also for `cases`. A label is read where this or `label_convention` is given.
        label_convention: what the values of labels mean.
        cases: see above.
    """
    has_label = layout is not None or label_convention is not None
    extra_keys = (*masks, "label") if has_label else tuple(masks)
    return [
        LoadImageModalitiesd(modalities, extra_keys=extra_keys, only_modality=only_modality),
        StackModalitiesd(modalities, resample=resample, reference=reference, only_modality=only_modality),
        *([MapLabeld("label", label_convention, layout, cases, table=table)] if has_label else []),
        RequireSameGridd(),
    ]
