"""CLoE: experts of single modalities, whose agreement decides how much each modality counts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import InputError
from .conv_blocks import ConvNormAct, kaiming_convolutions, level_widths
from .disentangling import DisentanglingBranches
from .encoded_modalities import EncodedModalities, all_modalities, at_modalities, pack, restrict
from .expert_agreement import agreement_scores, expert_similarities
from .expert_decoder import ExpertDecoder
from .expert_gate import ExpertGate, can_decide
from .modality_concat import ModalityConcatConv
from .present_modalities import nan_without_modalities
from .region_map import RegionMap
from .residual_encoder import residual_encoders
from .weighted_sum import equal_weights, weighted_sum

__all__ = ["CLoE"]

LEVELS = 4
FUSIONS = ("gate", "mean", "concat")
SCORES = ("modality", "region")


class CLoE(nn.Module):
    """Segment from any non-empty subset of modalities, weighted by how far their experts agree.

    Tong et al., "CLoE: Expert Consistency Learning for Missing Modality Segmentation" (2026). One encoder per modality,
    four levels; one expert decoder segments from each modality alone (Eq. 1); a region map says where the foreground is
    (Eq. 4); a gate turns the similarity of each expert to the others, in all of the image and in the region, into one
    weight per modality (Eqs. 6 and 7); the weighted sums of the feature maps of all levels are decoded.

    Modalities that a sample does not have are not computed. In evaluation experts are decoded only for samples with
    three or more available modalities: with one or two, the weights do not depend on the experts.

    In evaluation `forward` returns logits (B, `out_channels`, *spatial). In training it returns a dictionary:

    - pred: logits (B, C, *spatial).
    - experts: logits (B, M, C, *spatial), zero where `decoded` is False.
    - region: logits of the region map (B, 1, *spatial), unless `region_map` is False.
    - weights: (B, M), summing to one, zero where a modality is not available.
    - scores: (B, M, number of `gate_scores`), the similarities that the gate reads (fusion "gate" only).
    - present, available, decoded: boolean (B, M); available is present and kept, decoded has an expert.
    - and what `DisentanglingBranches` returns, if there are `branches`.

    With several processes, training data that lack modalities need `find_unused_parameters` of `distribute`; so does
    `keep` without `branches`.

    Args:
        in_channels: modalities M, at least two.
        out_channels: classes C.
        features: channels of the finest level, even; they double from level to level.
        fusion: "gate"; or, to compare with, "mean" (equal weights) or "concat" (a 1 x 1 x 1 convolution of the
            concatenation on every level).
        gate_scores: what the gate reads, "modality" (u of Eq. 6), "region" (v) or both.
        modality_bias: give the gate a number per modality, which acts with two modalities as well; see `ExpertGate`.
        region_map: predict the region map.
        branches: what is computed for the contrastive representation loss in training; see `DisentanglingBranches`.
        dense: compute absent modalities, too, and mask them; see `ModalityEncoders`.
    """

    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 4,
        features: int = 16,
        fusion: str = "gate",
        gate_scores: Sequence[str] = SCORES,
        modality_bias: bool = False,
        region_map: bool = True,
        branches: Sequence[str] = (),
        dense: bool = False,
    ) -> None:
        super().__init__()
        _check(in_channels, fusion, gate_scores, modality_bias, region_map)
        widths = level_widths(features, LEVELS)
        self.encoders = residual_encoders(widths, in_channels, bool(branches), dense)
        self.expert_decoder = ExpertDecoder(widths, out_channels, ConvNormAct)
        self.decoder = ExpertDecoder(widths, out_channels, ConvNormAct)
        self.region_map = RegionMap(features) if region_map else None
        self.gate = ExpertGate(len(gate_scores), in_channels, modality_bias) if fusion == "gate" else None
        concat = (ModalityConcatConv(width, in_channels, width) for width in widths if fusion == "concat")
        self.concat = nn.ModuleList(concat)
        self.score_names = [name for name in SCORES if name in gate_scores]
        self.apply(kaiming_convolutions)
        self.branches = DisentanglingBranches(branches, in_channels, features) if branches else None

    def forward(self, image: Tensor, keep: Tensor | None = None, weights: Tensor | None = None) -> Tensor:
        """Segment images; see the class for what is returned.

        Args:
            image: (B, M, H, W, D), every axis a multiple of 8, 16 or more; a modality with any NaN is absent.
            keep: boolean (B, M); modalities where it is False are not used. Without it all that are there are used.
            weights: (B, M), instead of those of the gate, for example from the whole case.

        Raises:
            ValueError: another shape, or a sample without any modality (traced and exported: NaN).
        """
        encoded = self.encoders(image, keep)
        packed = [pack(level, encoded) for level in encoded.levels]
        if not torch.jit.is_scripting() and self.training:
            return self._with_experts(image, encoded, packed, weights)
        slot_weights = self._slot_weights(encoded, packed) if weights is None else weights.gather(1, encoded.slots)
        logits = self.decoder(self._fuse(packed, slot_weights, encoded.slots))
        return nan_without_modalities(logits, encoded.available) if encoded.dense else logits

    def experts(self, image: Tensor, keep: Tensor | None = None) -> dict[str, Tensor]:
        """Return what the gate reads, "experts", "region" and "available" as in training, without fusing."""
        encoded = self.encoders(image, keep)
        chosen = restrict(encoded, encoded.available)
        experts = all_modalities(self._decode_experts(chosen), chosen, encoded.available)
        output = {"available": encoded.available, "experts": experts}
        if self.region_map is not None:
            output["region"] = self.region_map(pack(encoded.levels[0], encoded), encoded.filled)
        return output

    def segment_with_experts(
        self, image: Tensor, keep: Tensor | None = None, weights: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return what `forward` returns in training, also in evaluation (then without branches).

        Experts of one or two modalities are decoded, too, although the gate does not need them.
        """
        encoded = self.encoders(image, keep)
        return self._with_experts(image, encoded, [pack(level, encoded) for level in encoded.levels], weights)

    def weigh(self, experts: Tensor, available: Tensor, region: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return weights (B, M) and scores (B, M, number of `gate_scores`) from probabilities.

        Args:
            experts: probabilities (B, M, C, *spatial).
            available: boolean (B, M), at least one True per sample.
            region: probabilities (B, 1, *spatial); needed if the gate reads the region.
        """
        if self.gate is None:
            raise InputError('this network has no gate; set fusion to "gate".')
        scores = self._scores(experts, available, region)
        slots = torch.arange(available.shape[1], device=available.device).expand(available.shape[0], -1)
        return self.gate(scores, available, slots), scores

    def _with_experts(
        self, image: Tensor, encoded: EncodedModalities, packed: list[Tensor], weights: Tensor | None
    ) -> dict[str, Tensor]:
        """Return the dictionary of `forward`."""
        chosen = restrict(encoded, encoded.available)
        expert_logits = self._decode_experts(chosen)
        output = {"present": encoded.present, "available": encoded.available, "decoded": encoded.available}
        output["experts"] = all_modalities(expert_logits, chosen, encoded.available)
        region = None
        if self.region_map is not None:
            output["region"] = self.region_map(packed[0], encoded.filled)
            region = output["region"].float().sigmoid()
        slot_weights = equal_weights(encoded.filled)
        if self.gate is not None:
            with torch.no_grad():  # else experts could lower the segmentation loss by agreeing on anything
                probabilities = pack(expert_logits, chosen).float().softmax(dim=2)
                scores = self._scores(probabilities, encoded.filled, region)
            output["scores"] = at_modalities(scores, encoded)
            slot_weights = self.gate(scores, encoded.filled, encoded.slots)
        if weights is not None:
            slot_weights = weights.gather(1, encoded.slots)
        output["weights"] = at_modalities(slot_weights.unsqueeze(2), encoded).squeeze(2)
        fused = self._fuse(packed, slot_weights, encoded.slots)
        output["pred"] = self.decoder(fused)
        if self.branches is not None and self.training:
            output |= self.branches(image, encoded, fused[-1])
        return output

    def _slot_weights(self, encoded: EncodedModalities, packed: list[Tensor]) -> Tensor:
        """Return the weight of every slot, (B, K); experts that cannot change it are not decoded."""
        if self.gate is None:
            return equal_weights(encoded.filled)
        batch, slots = encoded.filled.shape
        scores = torch.zeros([batch, slots, len(self.score_names)], device=encoded.filled.device)
        deciding = encoded.available & can_decide(encoded.available).unsqueeze(1)
        if encoded.dense or bool(deciding.any()):
            chosen = restrict(encoded, deciding)
            probabilities = pack(self._decode_experts(chosen), chosen).float().softmax(dim=2)
            region: Tensor | None = None
            if self.region_map is not None:
                region = self.region_map(packed[0], encoded.filled).float().sigmoid()
            scores = self._scores(probabilities, encoded.filled, region)
        return self.gate(scores, encoded.filled, encoded.slots)

    def _decode_experts(self, chosen: EncodedModalities) -> Tensor:
        """Return logits (P, C, *spatial); in evaluation pair by pair, which needs less memory."""
        if self.training or chosen.dense:
            return self.expert_decoder(chosen.levels)
        logits: list[Tensor] = []
        for pair in range(chosen.levels[0].shape[0]):
            logits.append(self.expert_decoder([level[pair : pair + 1] for level in chosen.levels]))
        return torch.cat(logits)

    def _scores(self, probabilities: Tensor, available: Tensor, region: Tensor | None) -> Tensor:
        """Return u and v of Eq. 6, as far as the gate reads them, (B, K, scores)."""
        scores: list[Tensor] = []
        if "modality" in self.score_names:
            scores.append(agreement_scores(expert_similarities(probabilities, available), available))
        if "region" in self.score_names:
            assert region is not None  # for TorchScript
            scores.append(agreement_scores(expert_similarities(probabilities, available, region), available))
        return torch.stack(scores, dim=2)

    def _fuse(self, packed: list[Tensor], weights: Tensor, slots: Tensor) -> list[Tensor]:
        """Return one fused feature map (B, C, *spatial) per level."""
        fused: list[Tensor] = []
        for i, concat in enumerate(self.concat):
            fused.append(concat(packed[i], slots))
        return fused if len(fused) > 0 else [weighted_sum(level, weights) for level in packed]


def _check(in_channels: int, fusion: str, gate_scores: Sequence[str], modality_bias: bool, region_map: bool) -> None:
    if in_channels < 2:
        raise InputError(f"in_channels must be 2 or more, got {in_channels}; one modality has no expert to agree with.")
    if fusion not in FUSIONS:
        raise InputError(f"fusion must be one of {', '.join(FUSIONS)}, got {fusion!r}.")
    if isinstance(gate_scores, str) or not gate_scores or set(gate_scores) - set(SCORES):
        raise InputError(f"gate_scores: give a list of {' and '.join(SCORES)}, got {gate_scores!r}.")
    if fusion == "gate" and "region" in gate_scores and not region_map:
        raise InputError('gate_scores: "region" needs the region map; set region_map to true, or leave "region" out.')
    if modality_bias and fusion != "gate":
        raise InputError('modality_bias needs the gate; set fusion to "gate", or modality_bias to false.')
