"""Uncertainty proxy attention (UPA): the variance of enhanced features decides how much of them is used."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["UncertaintyProxyAttention"]


class UncertaintyProxyAttention(nn.Module):
    r"""Uncertainty proxy attention (UPA) of one decoder level.

    .. math:: u_{seg} = \mathrm{E}_c[\mathrm{Var}_{hw}(D^{enh})], \qquad u_{clf} = \mathrm{Var}(f_{clf}^{enh}), \qquad
              \tilde u = u / (\bar u + \epsilon)
    .. math:: [\omega_{seg}, \omega_{clf}] =
              \mathrm{Softmax}(\mathrm{MLP}_2(\mathrm{ReLU}(\mathrm{MLP}_{32}([\tilde u_{seg}, \tilde u_{clf}]))))

    Eqs. 6 and 7 of Al Shafi et al., "Multi-Level Bidirectional Decoder Interaction for Uncertainty-Aware Breast
    Ultrasound Analysis"; `interpolate` is Eq. 8. Variances are those of a population (divided by the number).

    Departure: u's mean is the mean over the batch in training only. In evaluation it is the running mean, as in batch
    normalisation (the first batch starts it, then each batch has a share of 0.1). With the batch's own mean, the
    weights of an image would depend on the other images of the batch, and a single image would always have u~ = 1. With
    several processes each uses the mean of its own batch, and the first one's running mean is kept.
    """

    epsilon = 1e-8
    momentum = 0.1

    def __init__(self) -> None:
        super().__init__()
        self.weigh = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))
        self.register_buffer("running_mean", torch.ones(2))
        self.register_buffer("num_batches_tracked", torch.zeros((), dtype=torch.long))

    def forward(self, decoded: Tensor, class_features: Tensor) -> Tensor:
        """Return the weights (B, 2): omega_seg, omega_clf, which sum to one.

        Args:
            decoded: D_enh, (B, c, H, W).
            class_features: f_enh, (B, length).
        """
        decoded = decoded.float()
        deviation = decoded - decoded.mean(dim=(2, 3), keepdim=True)  # much faster than Tensor.var on CPU
        segmentation = deviation.square().mean(dim=(1, 2, 3))
        classification = class_features.float().var(dim=1, correction=0)
        uncertainty = torch.stack([segmentation, classification], dim=1)
        mean = self.running_mean
        if self.training:
            mean = uncertainty.mean(dim=0)
            self._track(mean.detach())
        return self.weigh(uncertainty / (mean + self.epsilon)).softmax(dim=1)

    @torch.no_grad()
    def _track(self, mean: Tensor) -> None:
        self.num_batches_tracked += 1
        share = (1 / self.num_batches_tracked).clamp(min=self.momentum)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share.to(self.running_mean.dtype))

    @staticmethod
    def interpolate(base: Tensor, enhanced: Tensor, weight: Tensor) -> Tensor:
        """Go from the base to the enhanced features by a weight per image (Eq. 8).

        Args:
            base: (B, ...).
            enhanced: the same shape.
            weight: (B,), between 0 (base) and 1 (enhanced).
        """
        return base.lerp(enhanced.to(base.dtype), weight.to(base.dtype).view(-1, *[1] * (base.ndim - 1)))
