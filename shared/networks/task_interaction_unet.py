"""Lesion mask and class from one image, by interaction of the two tasks at every decoder level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from monai.networks.nets.attentionunet import AttentionBlock
from torch import Tensor, nn

from ..errors import InputError
from .append_class_logits import append_class_logits
from .efficientnet_encoder import FrozenStartEfficientNet
from .multi_scale_block import MultiScaleBlock
from .size_rule import check_multiples
from .task_interaction import TaskInteractionModule
from .uncertainty_proxy_attention import UncertaintyProxyAttention

__all__ = ["TaskInteractionUNet"]

CLASS_FEATURES = 256  # length of f_clf


class TaskInteractionUNet(nn.Module):
    """Encoder-decoder that segments lesions and classifies the image, its two tasks informing each other (TIM, UPA).

    Fig. 1 of Al Shafi et al., "Multi-Level Bidirectional Decoder Interaction for Uncertainty-Aware Breast Ultrasound
    Analysis". The maps of an EfficientNet pass multi-scale adapters (`MultiScaleBlock`). Each of four decoder levels
    upsamples, takes a skip connection through Oktay's attention gate, and exchanges features with the classification
    vector f_clf of its own level (`TaskInteractionModule`); `UncertaintyProxyAttention` chooses how much of the
    exchange stays. The class is read from the means of the adapted maps and from the four vectors.

    Points that the paper leaves open are as in its authors' program, with two exceptions. The encoder's maps are the
    outputs of its stages, which fits the published size and cost. The attention gate is the cited one.

    In training `forward` returns a dictionary, `pred` (B, 1, H, W), the lesion's logit, and `class_logits`
    (B, `num_classes`); in evaluation one tensor (B, 1 + `num_classes`, H, W), with the class logits constant over space
    after the mask. Training takes batches of two images or more. Default settings: 23.9 million parameters.

    The five rows of Table 2, by (fusion, interaction, proxy_attention): (no, no, no), (yes, no, no), (no, yes, no),
    (no, yes, yes), (yes, yes, yes).

    Args:
        num_classes: K.
        encoder: "efficientnet-b0" to "efficientnet-b7", or "efficientnet-lite0" to "efficientnet-lite2".
        encoder_weights: "imagenet", "imagenet-frozen-start" or None, see `FrozenStartEfficientNet`.
        decoder_channels: widths of the four levels, coarse to fine.
        fusion: HMSF with dual attention; without, the blocks are plain residual ones.
        interaction: TIM; without, the two tasks share the encoder only.
        proxy_attention: UPA; without, the enhanced features are taken whole. Has nothing to do without `interaction`.
        decoder_fusion: HMSF in the decoder's blocks too; without, in the adapters only. Has nothing to do without
            `fusion`.
        dropout: share of the features that are zero in training, after every decoder block and in the class head.
    """

    def __init__(
        self,
        num_classes: int = 3,
        encoder: str = "efficientnet-b4",
        encoder_weights: str | None = None,
        decoder_channels: Sequence[int] = (384, 192, 96, 48),
        fusion: bool = True,
        interaction: bool = True,
        proxy_attention: bool = True,
        decoder_fusion: bool = True,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.encoder = FrozenStartEfficientNet(encoder, encoder_weights)
        widths = self.encoder.channels
        if len(decoder_channels) != len(widths) - 1 or min(decoder_channels) < 2:
            raise InputError(
                f"decoder_channels must hold four widths of 2 or more, got {list(decoder_channels)}; correct it."
            )
        self.adapters = nn.ModuleList(MultiScaleBlock(width, width, fusion, attention=fusion) for width in widths)
        self.class_features = nn.ModuleList(
            nn.Sequential(nn.Linear(width, CLASS_FEATURES), nn.ReLU()) for width in widths[:0:-1]
        )
        below = [widths[-1], *decoder_channels]
        self.decoder = nn.ModuleList(
            _DecoderLevel(below[level], widths[-2 - level], out, fusion and decoder_fusion, dropout)
            for level, out in enumerate(decoder_channels)
        )
        self.interactions_at = nn.ModuleList(
            _Interaction(channels, proxy_attention) for channels in decoder_channels if interaction
        )
        finest = decoder_channels[-1]
        self.mask_head = nn.Sequential(
            _upsample(finest, finest // 2), nn.Conv2d(finest // 2, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 1, 1)
        )
        self.class_head = nn.Sequential(
            nn.Linear(sum(widths[1:]) + len(decoder_channels) * CLASS_FEATURES, CLASS_FEATURES),
            nn.ReLU(),
            nn.BatchNorm1d(CLASS_FEATURES, eps=1e-3),
            nn.Dropout(dropout),
            nn.Linear(CLASS_FEATURES, num_classes),
        )

    def forward(self, image: Tensor) -> dict[str, Tensor] | Tensor:
        """Segment and classify images (B, 3, H, W), H and W multiples of 32; see the class for what is returned."""
        logits, class_logits, _ = self._run(image)
        if self.training:
            return {"pred": logits, "class_logits": class_logits}
        return append_class_logits(logits, class_logits)

    @torch.no_grad()
    def interactions(self, image: Tensor) -> list[dict[str, Tensor]]:
        r"""Return what the tasks exchange at the four decoder levels, coarse to fine (Fig. 3 of the paper).

        Per level tensors (B,): `omega_seg` and `omega_clf`, the weights of Eq. 7 (one without UPA), and the normalised
        displacements `displacement_seg` :math:`|D^{enh} - D| / |D|` and `displacement_clf`
        :math:`|f^{enh} - f| / |f|`, Euclidean norms. Empty without TIM.

        Args:
            image: (B, 3, H, W).
        """
        return [
            {
                "omega_seg": exchange.weights[:, 0],
                "omega_clf": exchange.weights[:, 1],
                "displacement_seg": _displacement(exchange.decoded, exchange.enhanced_decoded),
                "displacement_clf": _displacement(exchange.class_features, exchange.enhanced_class_features),
            }
            for exchange in self._run(image)[2]
        ]

    def _run(self, image: Tensor) -> tuple[Tensor, Tensor, list[_Exchange]]:
        """Return mask logits (B, 1, H, W), class logits (B, K), and the levels' exchanges."""
        self._check(image)
        if image.device.type == "cpu":  # separable convolutions and attention are much faster in this layout there
            image = image.contiguous(memory_format=torch.channels_last)
        maps = [adapter(features) for adapter, features in zip(self.adapters, self.encoder(image), strict=True)]
        pooled = [features.mean(dim=(2, 3)) for features in maps[1:]]
        decoded = maps[-1]
        vectors: list[Tensor] = []
        exchanges: list[_Exchange] = []
        for level, decode in enumerate(self.decoder):
            decoded = decode(decoded, maps[-2 - level])
            vector = self.class_features[level](pooled[-1 - level])
            if len(self.interactions_at):
                decoded, vector, exchange = self.interactions_at[level](decoded, vector)
                exchanges.append(exchange)
            vectors.append(vector)
        return self.mask_head(decoded), self.class_head(torch.cat([*pooled, *vectors], dim=1)), exchanges

    def _check(self, image: Tensor) -> None:
        check_multiples(image, 3, 32)
        if self.training and len(image) < 2:
            raise InputError(
                "image: training needs batches of two images or more, got one; set --batch_size to 2 or more, and drop "
                "an incomplete last batch."
            )


@dataclass
class _Exchange:
    """Base and enhanced features of one level, and the weights (B, 2) of the enhanced ones."""

    decoded: Tensor
    class_features: Tensor
    enhanced_decoded: Tensor
    enhanced_class_features: Tensor
    weights: Tensor


class _Interaction(nn.Module):
    """TIM, with UPA or (weights of one) without."""

    def __init__(self, channels: int, proxy_attention: bool) -> None:
        super().__init__()
        self.enhance = TaskInteractionModule(channels, CLASS_FEATURES)
        self.weigh = UncertaintyProxyAttention() if proxy_attention else None

    def forward(self, decoded: Tensor, class_features: Tensor) -> tuple[Tensor, Tensor, _Exchange]:
        enhanced = self.enhance(decoded, class_features)
        if self.weigh is None:
            return *enhanced, _Exchange(decoded, class_features, *enhanced, decoded.new_ones(len(decoded), 2))
        weights = self.weigh(*enhanced)
        return (
            self.weigh.interpolate(decoded, enhanced[0], weights[:, 0]),
            self.weigh.interpolate(class_features, enhanced[1], weights[:, 1]),
            _Exchange(decoded, class_features, *enhanced, weights),
        )


class _DecoderLevel(nn.Module):
    """Upsample, join with the gated skip connection, residual block, dropout."""

    def __init__(self, below: int, skip: int, channels: int, fusion: bool, dropout: float) -> None:
        super().__init__()
        self.upsample = _upsample(below, channels)
        self.gate = AttentionBlock(spatial_dims=2, f_int=channels // 2, f_g=channels, f_l=skip)
        self.block = MultiScaleBlock(channels + skip, channels, fusion, attention=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        upsampled = self.upsample(below)
        return self.dropout(self.block(torch.cat([upsampled, self.gate(upsampled, skip)], dim=1)))


def _upsample(in_channels: int, out_channels: int) -> nn.Module:
    """Return the transposed convolution that doubles height and width."""
    return nn.ConvTranspose2d(in_channels, out_channels, 3, stride=2, padding=1, output_padding=1)


def _displacement(base: Tensor, enhanced: Tensor) -> Tensor:
    """Return the length of the change over the length of what was changed, (B,); zero where nothing was."""
    base, change = base.flatten(1).float(), (enhanced - base).flatten(1).float()
    return change.norm(dim=1) / base.norm(dim=1).clamp(min=torch.finfo(torch.float32).tiny)
