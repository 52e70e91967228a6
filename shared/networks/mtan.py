"""Multi-task attention network: mask and class from one shared SegNet, by attention masks of each task."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from .append_class_logits import append_class_logits
from .segnet import LevelFeatures, SegNet, conv_norm_relu, decoder_widths
from .task_attention import TaskAttention

__all__ = ["MTAN"]


class MTAN(nn.Module):
    """Segment and classify an image by task-specific attention on the features of one shared SegNet.

    Liu, Johns, Davison, "End-to-End Multi-Task Learning with Attention", CVPR 2019. On every level each task masks the
    shared features (`TaskAttention`). A 3 x 3 convolution f, the same for all tasks, takes what was chosen to the next
    level: pooled in the encoder, bilinearly enlarged in the decoder.

    The paper has tasks with an output per pixel, or with one per image, never both. Here:

    - mask: attention in encoder and decoder and the two convolutions of the published head, as its tasks per pixel.
    - class: attention in the encoder, the mean over space of the last level's f and a linear layer, as in the published
      program for classification (on a wide residual network there).

    The parts have the published sizes: one SegNet with a task per pixel has 25.0 million parameters, two such tasks
    1.65 times as many, three 1.77 times. Mask and class have 40.0 million. Weights start from Glorot's normal
    distribution, as published. The dynamic weights of the losses (DWA) are not included: the weights are the bundle's.

    In training `forward` returns a dictionary, `pred` (B, `out_channels`, H, W) and `class_logits` (B, `num_classes`);
    in evaluation one tensor (B, `out_channels` + `num_classes`, H, W), with the class logits constant over space after
    the mask. Sizes from 32 on, with five levels.

    Args:
        in_channels: of the image.
        out_channels: logits of the mask.
        num_classes: K.
        channels: widths of the encoder's levels, fine to coarse.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 1,
        num_classes: int = 3,
        channels: Sequence[int] = (64, 128, 256, 512, 512),
    ) -> None:
        super().__init__()
        self.shared = SegNet(in_channels, channels)
        above, below = decoder_widths(channels), [*channels[1:], channels[-1]]
        self.encoder_features = nn.ModuleList(map(conv_norm_relu, channels, below))
        self.decoder_features = nn.ModuleList(map(conv_norm_relu, channels, above))
        self.mask_encoder, self.class_encoder = _encoder_attention(channels), _encoder_attention(channels)
        self.mask_decoder = nn.ModuleList(
            TaskAttention(width + out, out) for width, out in zip(channels, above, strict=True)
        )
        self.mask_head = nn.Sequential(
            nn.Conv2d(channels[0], channels[0], kernel_size=3, padding=1),
            nn.Conv2d(channels[0], out_channels, kernel_size=1),
        )
        self.class_head = nn.Linear(channels[-1], num_classes)
        self.apply(_glorot)

    def forward(self, image: Tensor) -> dict[str, Tensor] | Tensor:
        """Segment and classify images (B, `in_channels`, H, W); see the class for what is returned."""
        encoder, decoder = self.shared(image)
        features = self._encode(self.mask_encoder, encoder)
        for level in reversed(range(len(decoder))):
            shared = decoder[level]
            features = functional.interpolate(features, shared.first.shape[2:], mode="bilinear", align_corners=True)
            features = self.mask_decoder[level](shared.first, shared.last, self.decoder_features[level](features))
        logits = self.mask_head(features)
        class_logits = self.class_head(self._encode(self.class_encoder, encoder).mean(dim=(2, 3)))
        if self.training:
            return {"pred": logits, "class_logits": class_logits}
        return append_class_logits(logits, class_logits)

    def _encode(self, attention: nn.ModuleList, encoder: list[LevelFeatures]) -> Tensor:
        """Return what a task has chosen after the last level of the encoder, pooled."""
        features = None
        for attend, shared, convolve in zip(attention, encoder, self.encoder_features, strict=True):
            features = functional.max_pool2d(convolve(attend(shared.first, shared.last, features)), 2)
        return features


def _encoder_attention(channels: Sequence[int]) -> nn.ModuleList:
    inputs = [channels[0], *(2 * width for width in channels[1:])]
    return nn.ModuleList(map(TaskAttention, inputs, channels))


def _glorot(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.xavier_normal_(module.weight)
        nn.init.zeros_(module.bias)
