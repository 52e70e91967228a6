"""A class head for segmentation networks that have none."""

from __future__ import annotations

import threading

from torch import Tensor, nn

from .append_class_logits import append_class_logits

__all__ = ["WithClassHead"]


class WithClassHead(nn.Module):
    """Any segmentation network, with a classifier on its deepest features.

    The classifier takes the mean over space of the features that the submodule `deepest` returns, then dropout and a
    linear layer. If the submodule (an encoder) or the network returns a list, its last item counts. Names by network:

    ========================= ================================================ ==================================
    network                   deepest                                          features
    ========================= ================================================ ==================================
    `UNet`, `AttentionUnet`   "model" and then ".1.submodule" once per stride  the last of `channels`
    `BasicUNetPlusPlus`       "conv_4_0"                                       the fifth of `features`
    `SwinUNETR`               "encoder10"                                      16 x `feature_size`
    `FlexibleUNet`            "encoder"                                        320 (efficientnet-b0), 448 (-b4)
    `TransUNet`               "transformer"                                    `hidden_size`
    `SwinUNet`                "encoder"                                        8 x `embed_dim`
    `MISSFormer`              "bridge"                                         the last of `channels`
    ========================= ================================================ ==================================

    In training `forward` returns a dictionary, `pred` (B, C, H, W) and `class_logits` (B, `num_classes`); in
    evaluation one tensor (B, C + `num_classes`, H, W), with the class logits constant over space after the network's
    channels. On several GPUs `FlexibleUNet` and `BasicUNetPlusPlus` need `find_unused_parameters` of `distribute`: both
    have some.

    Args:
        network: takes an image (B, M, H, W), returns logits (B, C, H, W) or a list whose last item is that.
        deepest: name of the submodule as in `network.named_modules()`.
        features: channels of the submodule's output.
        num_classes: K.
        dropout: share of the features that are zero in training.
        norm_momentum: given to all batch normalisations of the network. MONAI's EfficientNet has 0.01 whatever its
            arguments say: after some hundred steps its running means still lag behind.
    """

    def __init__(
        self,
        network: nn.Module,
        deepest: str,
        features: int,
        num_classes: int = 3,
        dropout: float = 0.3,
        norm_momentum: float | None = None,
    ) -> None:
        super().__init__()
        if deepest not in dict(network.named_modules()):
            raise ValueError(
                f"deepest: {type(network).__name__} has no submodule {deepest!r}; see its named_modules()."
            )
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d) and norm_momentum is not None:
                module.momentum = norm_momentum
        self.network = network
        self.deepest = deepest
        self.features = features
        self.class_head = nn.Sequential(nn.Dropout(dropout), nn.Linear(features, num_classes))

    def forward(self, image: Tensor) -> dict[str, Tensor] | Tensor:
        """Segment and classify images (B, M, H, W); see the class for what is returned."""
        logits, deepest = self._run(image)
        if deepest.shape[1] != self.features:
            raise ValueError(f"features: {self.deepest!r} returns {deepest.shape[1]} channels, got {self.features}.")
        class_logits = self.class_head(deepest.mean(dim=(2, 3)))
        if self.training:
            return {"pred": logits, "class_logits": class_logits}
        return append_class_logits(logits, class_logits)

    def _run(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the network's logits and what its submodule `deepest` returned on the way."""
        outputs: list[Tensor] = []
        caller = threading.get_ident()  # another thread may use the same network at this moment

        def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor | list[Tensor]) -> None:
            if threading.get_ident() == caller:
                outputs.append(_last(output))

        hook = self.network.get_submodule(self.deepest).register_forward_hook(keep)
        try:
            logits = _last(self.network(image))
        finally:
            hook.remove()
        return logits, outputs[-1]


def _last(output: Tensor | list[Tensor] | tuple[Tensor, ...]) -> Tensor:
    return output if isinstance(output, Tensor) else output[-1]
