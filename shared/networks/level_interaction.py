"""Interaction of the two tasks at one decoder level, and how far it moves their features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .task_interaction import TaskInteractionModule
from .uncertainty_proxy_attention import UncertaintyProxyAttention

__all__ = ["InteractionFeatures", "LevelInteraction"]


@dataclass
class InteractionFeatures:
    """Base and enhanced features of one level, and the weights of the enhanced ones.

    Attributes:
        decoded: D, (B, c, H, W).
        class_features: f_clf, (B, length).
        enhanced_decoded: D_enh, as D.
        enhanced_class_features: f_enh, as f_clf.
        weights: (B, 2), omega_seg and omega_clf.
    """

    decoded: Tensor
    class_features: Tensor
    enhanced_decoded: Tensor
    enhanced_class_features: Tensor
    weights: Tensor

    def measures(self) -> dict[str, Tensor]:
        r"""Return what Fig. 3 of Al Shafi et al. draws, tensors (B,).

        - omega_seg and omega_clf: the weights of Eq. 7, one without UPA.
        - displacement_seg: :math:`|D^{enh} - D| / |D|`, Euclidean norms.
        - displacement_clf: :math:`|f^{enh} - f| / |f|`.
        """
        return {
            "omega_seg": self.weights[:, 0],
            "omega_clf": self.weights[:, 1],
            "displacement_seg": _displacement(self.decoded, self.enhanced_decoded),
            "displacement_clf": _displacement(self.class_features, self.enhanced_class_features),
        }


class LevelInteraction(nn.Module):
    """`TaskInteractionModule` (TIM), and with UPA `UncertaintyProxyAttention`, which weights what TIM enhanced.

    Al Shafi et al., "Multi-Level Bidirectional Decoder Interaction for Uncertainty-Aware Breast Ultrasound Analysis".

    Args:
        channels: c of the decoder features D.
        class_features: length of f_clf.
        proxy_attention: UPA; without, the enhanced features are taken whole.
    """

    def __init__(self, channels: int, class_features: int, proxy_attention: bool) -> None:
        super().__init__()
        self.enhance = TaskInteractionModule(channels, class_features)
        self.weigh = UncertaintyProxyAttention() if proxy_attention else None

    def forward(self, decoded: Tensor, class_features: Tensor) -> tuple[Tensor, Tensor, InteractionFeatures]:
        """Return the level's decoder features and class vector after the interaction, and what they are made of.

        Args:
            decoded: D, (B, c, H, W).
            class_features: f_clf, (B, `class_features`).
        """
        enhanced = self.enhance(decoded, class_features)
        if self.weigh is None:
            weights = decoded.new_ones(len(decoded), 2)
            return *enhanced, InteractionFeatures(decoded, class_features, *enhanced, weights)
        weights = self.weigh(*enhanced)
        return (
            self.weigh.interpolate(decoded, enhanced[0], weights[:, 0]),
            self.weigh.interpolate(class_features, enhanced[1], weights[:, 1]),
            InteractionFeatures(decoded, class_features, *enhanced, weights),
        )


def _displacement(base: Tensor, enhanced: Tensor) -> Tensor:
    """Return the length of the change over the length of what was changed, (B,); zero where nothing was."""
    base, change = base.flatten(1).float(), (enhanced - base).flatten(1).float()
    return change.norm(dim=1) / base.norm(dim=1).clamp(min=torch.finfo(torch.float32).tiny)
