"""Task interaction module (TIM): segmentation and classification features of one decoder level enhance each other."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["TaskInteractionModule"]


class TaskInteractionModule(nn.Module):
    r"""Task interaction module (TIM) of one decoder level l.

    From segmentation to classification:

    .. math:: \alpha = \mathrm{ReLU}(\mathrm{Conv}_{1 \times 1}(D)), \qquad
              f_{seg}^{ctx} = \phi(\mathrm{GAP}(\alpha)), \qquad
              f_{clf}^{enh} = f_{clf} + \sigma(\mathrm{MLP}(f_{seg}^{ctx})) \odot f_{seg}^{ctx}

    and from classification to segmentation:

    .. math:: \mu = 1 + \tau \, \sigma(\mathrm{MLP}(\mathrm{GAP}(D))) \odot \psi(f_{clf}), \qquad
              D^{enh} = D \odot \mu, \qquad 1 \le \mu \le 1 + \tau

    Eqs. 1 to 5 of Al Shafi et al., "Multi-Level Bidirectional Decoder Interaction for Uncertainty-Aware Breast
    Ultrasound Analysis". Every MLP is one linear layer, psi a linear layer and a sigmoid. The paper writes
    phi = BN o Dense; here a ReLU is between the two, as in its authors' program. The 1 x 1 convolution halves the
    channels.

    Args:
        channels: c of the decoder features D.
        class_features: length of f_clf.
        strength: tau.
    """

    def __init__(self, channels: int, class_features: int = 256, strength: float = 0.7) -> None:
        super().__init__()
        attended = max(1, channels // 2)
        self.attend = nn.Sequential(nn.Conv2d(channels, attended, 1), nn.ReLU())
        self.context = nn.Sequential(  # phi
            nn.Linear(attended, class_features), nn.ReLU(), nn.BatchNorm1d(class_features, eps=1e-3)
        )
        self.class_gate = nn.Sequential(nn.Linear(class_features, class_features), nn.Sigmoid())
        self.prior = nn.Sequential(nn.Linear(class_features, channels), nn.Sigmoid())  # psi
        self.decoder_gate = nn.Sequential(nn.Linear(channels, channels), nn.Sigmoid())
        self.strength = strength

    def forward(self, decoded: Tensor, class_features: Tensor) -> tuple[Tensor, Tensor]:
        """Return D_enh and f_enh, of the same shapes as the input.

        Args:
            decoded: D, (B, c, H, W).
            class_features: f_clf, (B, `class_features`).
        """
        context = self.context(self.attend(decoded).mean(dim=(2, 3)))
        gate = self.decoder_gate(decoded.mean(dim=(2, 3)))
        modulation = 1 + self.strength * gate * self.prior(class_features)  # mu
        return decoded * modulation[:, :, None, None], class_features + self.class_gate(context) * context
