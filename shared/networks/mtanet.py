"""MTANet: a pyramid vision transformer, a coarse mask, and reverse addition attention; class from the deepest map."""

from __future__ import annotations

from torch import Tensor, nn

from .append_class_logits import append_class_logits
from .partial_decoder import PartialDecoder, resized
from .pyramid_vision_transformer import PyramidVisionTransformer
from .reverse_addition_attention import ReverseAdditionAttention
from .size_rule import check_multiples

__all__ = ["MTANet"]


class MTANet(nn.Module):
    """Segment and classify an image in one stage, the mask corrected from coarse to fine.

    Ling et al., "MTANet: Multi-Task Attention Network for Automatic Medical Image Segmentation and Classification",
    IEEE TMI 43(2), 2024, as in the authors' program, whose encoder is PVT v2 b2. A `PartialDecoder` on the three
    deepest maps gives a coarse mask. Three `ReverseAdditionAttention` levels correct it, up to a quarter of the image's
    size; it is enlarged from there.

    The published class head fuses the mean of the deepest map with clinical features (attention bottleneck module).
    There are none here, and without them that module is a product of linear layers: one linear layer is the same.

    In training `forward` returns a dictionary: `pred` (B, 1, H, W), `class_logits` (B, `num_classes`), and
    `side_outputs`, the three masks before the last correction, enlarged to (B, 1, H, W), coarse to fine; the paper
    supervises them, too. In evaluation it returns one tensor (B, 1 + `num_classes`, H, W), with the class logits
    constant over space after the mask. Sizes are multiples of 32. 29.7 million parameters.

    Args:
        in_channels: of the image.
        num_classes: K.
        encoder: "pvt-v2-b0", "pvt-v2-b1" or "pvt-v2-b2"; its weights start at random.
        decoder_channels: of the partial decoder.
    """

    def __init__(
        self, in_channels: int = 3, num_classes: int = 3, encoder: str = "pvt-v2-b2", decoder_channels: int = 32
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.encoder = PyramidVisionTransformer(encoder, in_channels)
        widths = list(self.encoder.widths)
        self.coarse_mask = PartialDecoder(widths[1:], decoder_channels)
        self.corrections = nn.ModuleList(map(ReverseAdditionAttention, widths[:0:-1], widths[-2::-1]))
        self.class_head = nn.Linear(widths[-1], num_classes)

    def forward(self, image: Tensor) -> dict[str, Tensor | list[Tensor]] | Tensor:
        """Segment and classify images (B, `in_channels`, H, W); see the class for what is returned."""
        check_multiples(image, self.in_channels, 32)
        *skips, features = self.encoder(image)
        class_logits = self.class_head(features.mean(dim=(2, 3)))
        masks = [self.coarse_mask([*skips[1:], features])]
        for correct, skip in zip(self.corrections, reversed(skips), strict=True):
            mask, features = correct(masks[-1], features, skip)
            masks.append(mask)
        logits = resized(masks.pop(), image)
        if self.training:
            side_outputs = [resized(mask, image) for mask in masks]
            return {"pred": logits, "class_logits": class_logits, "side_outputs": side_outputs}
        return append_class_logits(logits, class_logits)
