"""ShaSpec: shared and specific features of modalities; the shared ones replace absent modalities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.nets.resnet import ResNetBlock
from torch import Tensor, nn

from .conv_blocks import check_width
from .encoded_modalities import EncodedModalities, all_modalities, pack
from .modality_encoders import ModalityEncoders, check_image
from .present_modalities import masked, nan_without_modalities
from .shaspec_encoder import ACT, NORM, ShaSpecEncoder, instance_norm, leaky_relu
from .weight_standardization import StandardizedConcatConv, StandardizedConv3d, with_standardized_weights

__all__ = ["ShaSpec"]


class ShaSpec(nn.Module):
    """Segment from any non-empty subset of modalities by features that all share and features of each modality.

    Wang et al., "Multi-modal Learning with Missing Modality via Shared-Specific Feature Modelling", CVPR 2023. One
    encoder is the same for all modalities, one belongs to each; all are 3D ResNet-50 followed by dilated convolutions.
    A modality's shared and specific features are fused by a residual convolution (Eq. 2); a modality that is not
    available gets the mean of the shared features of those that are (Eq. 4). The decoder takes the fused features of
    all modalities, and as skip connections the shared encoder's. `SharedSpecificLoss` has the two auxiliary losses.
    Modalities that a sample does not have are not computed.

    Unlike the published code (billhhh/ShaSpec):

    - Absent modalities are left out of the skip connections. There they are images of zeros, whose features are the
      same at all positions but for the borders, and the instance normalisation that follows removes such a constant.
    - The dilated convolutions have no branch for the mean over the image, for the same reason: what it adds is
      constant, and the instance normalisation removes it.
    - Eq. 4 is computed as printed; there the shared features of one available modality, drawn at random in training,
      stand for all absent ones.
    - Classes exclude one another, there they are three sigmoids.
    - An image is padded with zeros to 32 voxels or more, multiples of 32, 32 and 16. The output has the image's size.
      An exported network takes `exported_shape` alone.

    In evaluation `forward` returns logits (B, `out_channels`, *spatial). In training it returns a dictionary:

    - pred: logits (B, C, *spatial).
    - shared: (B, M, 4 F, *spatial / strides), features from the shared encoder, 0 where a modality is not available.
    - domain_logits: (B, M, M), which modality the specific features come from; row m is that of modality m.
    - present, available: boolean (B, M); available is present and kept.

    A step in which no sample keeps a modality does not reach its specific encoder: several processes need
    `find_unused_parameters` of `distribute`.

    Args:
        in_channels: modalities M.
        out_channels: classes C.
        features: F, channels of the encoders' first convolution, even.
        blocks: bottlenecks of each of an encoder's four stages.
        dense: compute absent modalities, too, and mask them; see `ModalityEncoders`.
    """

    exported_shape = ("32*n+32", "32*n+32", "16*n+16")  # see `size_rules`

    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 4,
        features: int = 64,
        blocks: Sequence[int] = (3, 4, 6, 3),
        dense: bool = False,
    ) -> None:
        super().__init__()
        check_width(features)
        self.num_modalities = in_channels
        deepest = 4 * features
        self.encoders = ModalityEncoders(
            (ShaSpecEncoder(features, blocks, with_skips=False) for _ in range(in_channels)),
            stride=1,
            encode_all_in_training=False,
            dense=dense,
            shared=ShaSpecEncoder(features, blocks, with_skips=True),
        )
        self.compose = StandardizedConv3d(2 * deepest, deepest, kernel_size=3, padding=1, bias=False)
        self.domain_classifier = nn.Linear(deepest, in_channels)
        widths = [deepest, 2 * features, features, features // 2]
        skips = [16 * features, 8 * features, 4 * features, features]
        below = [in_channels * deepest, *widths]
        self.decoder = nn.ModuleList(
            _DecoderLevel(*channels, in_channels) for channels in zip(below, widths, skips, strict=False)
        )
        self.head = nn.Conv3d(widths[-1], out_channels, kernel_size=1, bias=False)
        self.upsample = nn.Upsample(scale_factor=(2, 2, 1), mode="trilinear")
        self.apply(_initialise)

    def forward(self, image: Tensor, keep: Tensor | None = None) -> Tensor:
        """Segment images (B, M, H, W, D) of any size; `keep` as in `ModalityEncoders`."""
        fits = False
        if not torch.jit.is_scripting():
            check_image(image, self.num_modalities, stride=1)
            fits = torch.compiler.is_exporting()  # for the sizes of `exported_shape`
        encoded = self.encoders(image if fits else _padded(image), keep)
        pooled, specific, shared = encoded.levels[0], encoded.levels[1], encoded.levels[6]
        composed = shared + self.compose(torch.cat([shared, specific], dim=1))  # Eq. 2
        decoded = _completed(composed, shared, encoded).flatten(1, 2)
        for i, level in enumerate(self.decoder):
            decoded = level(decoded, pack(encoded.levels[5 - i], encoded), encoded.slots)
        logits = self.upsample(self.head(decoded))[:, :, : image.shape[2], : image.shape[3], : image.shape[4]]
        if not torch.jit.is_scripting() and self.training:
            return {
                "pred": logits,
                "shared": all_modalities(shared, encoded, encoded.available),
                "domain_logits": all_modalities(self.domain_classifier(pooled), encoded, encoded.available),
                "present": encoded.present,
                "available": encoded.available,
            }
        return nan_without_modalities(logits, encoded.available) if encoded.dense else logits


class _DecoderLevel(nn.Module):
    """Twice the size, the shared features of the available modalities added, one residual block."""

    def __init__(self, below: int, channels: int, skip_channels: int, num_modalities: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose3d(below, channels, kernel_size=2, stride=2, bias=False)
        self.skip = StandardizedConcatConv(skip_channels, num_modalities, channels)
        self.norm = instance_norm(channels)
        self.act = leaky_relu()
        self.block = with_standardized_weights(ResNetBlock(channels, channels, act=ACT, norm=NORM))

    def forward(self, below: Tensor, packed: Tensor, slots: Tensor) -> Tensor:
        return self.block(self.up(below) + self.act(self.norm(self.skip(packed, slots))))


def _completed(composed: Tensor, shared: Tensor, encoded: EncodedModalities) -> Tensor:
    """Lay the fused features of pairs out as (B, M, C, *spatial); absent modalities get the mean of Eq. 4."""
    count = encoded.available.sum(dim=1).view(-1, 1, 1, 1, 1)
    generated = pack(shared, encoded).sum(dim=1) / count
    absent = masked(generated.unsqueeze(1).expand(-1, encoded.available.shape[1], -1, -1, -1, -1), ~encoded.available)
    return all_modalities(composed, encoded, encoded.available) + absent


def _padded(image: Tensor) -> Tensor:
    """Pad with zeros at the end of every axis, to 32 voxels or more and to multiples of the strides, 32, 32 and 16.

    The deepest feature map then has two positions or more, and so a variance.
    """
    height, width, depth = image.shape[2], image.shape[3], image.shape[4]
    shape = [image.shape[0], image.shape[1], _length(height, 32), _length(width, 32), _length(depth, 16)]
    padded = image.new_zeros(shape)
    padded[:, :, :height, :width, :depth] = image
    return padded


def _length(size: int, stride: int) -> int:
    return max(32, (size + stride - 1) // stride * stride)


def _initialise(module: nn.Module) -> None:
    """Give a convolution He's normal weights by its outputs."""
    if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d)):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
