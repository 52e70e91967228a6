"""Lesion mask and class from one image, by interaction of the two tasks at every decoder level."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.nets.attentionunet import AttentionBlock
from torch import Tensor, nn

from ..errors import InputError
from .append_class_logits import append_class_logits
from .efficientnet_encoder import FrozenStartEfficientNet
from .level_interaction import InteractionFeatures, LevelInteraction
from .multi_scale_block import MultiScaleBlock
from .size_rule import check_multiples

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
            LevelInteraction(channels, CLASS_FEATURES, proxy_attention) for channels in decoder_channels if interaction
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
        """Return `InteractionFeatures.measures` of the four decoder levels, coarse to fine; empty without TIM.

        Args:
            image: (B, 3, H, W).
        """
        return [level.measures() for level in self._run(image)[2]]

    def _run(self, image: Tensor) -> tuple[Tensor, Tensor, list[InteractionFeatures]]:
        """Return mask logits (B, 1, H, W), class logits (B, K), and the levels' features."""
        self._check(image)
        if image.device.type == "cpu":  # separable convolutions and attention are much faster in this layout there
            image = image.contiguous(memory_format=torch.channels_last)
        maps = [adapter(features) for adapter, features in zip(self.adapters, self.encoder(image), strict=True)]
        pooled = [features.mean(dim=(2, 3)) for features in maps[1:]]
        decoded = maps[-1]
        vectors: list[Tensor] = []
        interactions: list[InteractionFeatures] = []
        for level, decode in enumerate(self.decoder):
            decoded = decode(decoded, maps[-2 - level])
            vector = self.class_features[level](pooled[-1 - level])
            if len(self.interactions_at):
                decoded, vector, features = self.interactions_at[level](decoded, vector)
                interactions.append(features)
            vectors.append(vector)
        return self.mask_head(decoded), self.class_head(torch.cat([*pooled, *vectors], dim=1)), interactions

    def _check(self, image: Tensor) -> None:
        check_multiples(image, 3, 32)
        if self.training and len(image) < 2:
            raise InputError(
                "image: training needs batches of two images or more, got one; set --batch_size to 2 or more, and drop "
                "an incomplete last batch."
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
