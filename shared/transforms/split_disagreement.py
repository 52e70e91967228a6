"""Split the disagreement of an ensemble from the channels of a prediction."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.transforms import MapTransform
from monai.utils import convert_to_dst_type, convert_to_tensor

__all__ = ["SplitDisagreementd"]


class SplitDisagreementd(MapTransform):
    """Leave the other channels under "pred", and put the last one, which `AveragedInferer` adds, under "disagreement".

    A `MapTransform`, since MONAI Deploy's bundle operator hands dictionaries only to a chain that begins with one.

    Args:
        num_networks: size of the ensemble; with one network there is no such channel.
        pred_key: (channels, *spatial).
        disagreement_key: where the disagreement (1, *spatial) is put, float32.
    """

    def __init__(self, num_networks: int, pred_key: str = "pred", disagreement_key: str = "disagreement") -> None:
        super().__init__(pred_key)
        self.num_networks = num_networks
        self.pred_key, self.disagreement_key = pred_key, disagreement_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        if self.num_networks < 2:
            return dict(data)
        channels = convert_to_tensor(data[self.pred_key], track_meta=False)
        parts = {self.pred_key: channels[:-1], self.disagreement_key: channels[-1:].float()}
        return {**data, **{key: convert_to_dst_type(part, data[self.pred_key])[0] for key, part in parts.items()}}
