"""Split the output of the experts from the channels of a prediction."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from monai.transforms import Transform
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import Tensor

from ..networks.expert_agreement import agreement_scores, expert_similarities
from ..networks.present_modalities import present_modalities

__all__ = ["Experts", "SplitExpertsd"]


@dataclass(frozen=True)
class Experts:
    """What the experts of a case say.

    Attributes:
        probabilities: (M, C, *spatial).
        region: map of the region (1, *spatial), if the network has one.
        affine: of the grid of both.
        present: boolean (M,).
        weights: (M,), mean over the image; NaN for a network without weights.
        agreement: (M,), mean cosine similarity to the other experts, u of Eq. 6; NaN for the only one.
        region_agreement: the same in the region, v of Eq. 6.
    """

    probabilities: Tensor
    region: Tensor | None
    affine: Tensor
    present: Tensor
    weights: Tensor
    agreement: Tensor
    region_agreement: Tensor | None

    def note(self, modalities: Sequence[str]) -> dict[str, dict[str, float | None]]:
        """Return weights and agreement for the record, by the name of the modality; None for NaN."""
        columns = {"weights": self.weights, "agreement": self.agreement}
        if self.region_agreement is not None:
            columns["agreement_in_region"] = self.region_agreement
        return {
            name: {
                modality: None if value.isnan() else round(float(value), 4)
                for modality, value, there in zip(modalities, values, self.present, strict=True)
                if there
            }
            for name, values in columns.items()
        }


class SplitExpertsd(Transform):
    """Leave the logits under "pred", and put the further channels of `ExpertsInferer` as `Experts` under "experts".

    Agreement is that of the whole image, however large the windows were. A prediction of C channels (of a network
    without experts) stays as it is. Runs before the image goes back to its own grid.

    Args:
        num_classes: C.
        pred_key: (channels, *spatial), with its affine.
        image_key: (M, *spatial), NaN where a modality is absent.
        experts_key: where the experts are put.
    """

    def __init__(
        self, num_classes: int, pred_key: str = "pred", image_key: str = "image", experts_key: str = "experts"
    ) -> None:
        self.num_classes = num_classes
        self.keys = {"pred": pred_key, "image": image_key, "experts": experts_key}

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        pred, image = data[self.keys["pred"]], data[self.keys["image"]]
        channels, classes, modalities = convert_to_tensor(pred, track_meta=False), self.num_classes, len(image)
        if len(channels) == classes:
            return dict(data)
        region_at, weights_at = classes * (1 + modalities), len(channels) - modalities
        if weights_at - region_at not in (0, 1):
            raise ValueError(
                f"pred: {len(channels)} channels do not fit {modalities} modalities and {classes} classes; take them "
                "from ExpertsInferer."
            )
        present = present_modalities(convert_to_tensor(image, track_meta=False)[None]).to(channels.device)
        probabilities = channels[classes:region_at].unflatten(0, (modalities, classes))
        region = channels[region_at:weights_at] if weights_at > region_at else None
        experts = Experts(
            probabilities=probabilities,
            region=region,
            affine=pred.affine,
            present=present[0],
            weights=channels[weights_at:].double().mean(dim=(1, 2, 3)),
            agreement=_agreement(probabilities, present),
            region_agreement=None if region is None else _agreement(probabilities, present, region[None]),
        )
        logits = convert_to_dst_type(channels[:classes], pred)[0]
        return {**data, self.keys["pred"]: logits, self.keys["experts"]: experts}


def _agreement(probabilities: Tensor, present: Tensor, region: Tensor | None = None) -> Tensor:
    """Return the mean similarity of every expert to the others, (M,), NaN where there is no other."""
    scores = agreement_scores(expert_similarities(probabilities[None], present, region), present)[0]
    return scores if present.sum() > 1 else torch.full_like(scores, torch.nan)
