"""Loss of a network that restores missing modalities from latent Gaussians."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..networks.uhved import product_from_precisions
from .gaussian_divergence import gaussian_divergence
from .reconstruction import reconstruction_error

__all__ = ["ModalityCompletionLoss", "subset_divergence"]


class ModalityCompletionLoss(nn.Module):
    r"""Modality completion of U-HVED: divergence of the latent maps, squared error of the restored images.

    .. math:: w_z \frac{1}{4} \sum_{l=1}^4 D_l + w_x \, \mathrm{MSE}(\hat{x}, x)

    with `subset_divergence` D_l on every level and the squared error of all present modalities, also those that
    `keep` hides. Weights 0.1, as in the code of Dorent et al., "Hetero-Modal Variational Encoder-Decoder for Joint
    Modality Completion and Segmentation", MICCAI 2019.

    Args:
        latent_weight: w_z.
        image_weight: w_x.
    """

    def __init__(self, latent_weight: float = 0.1, image_weight: float = 0.1) -> None:
        super().__init__()
        for name, weight in (("latent_weight", latent_weight), ("image_weight", image_weight)):
            if not weight >= 0:
                raise InputError(f"{name} must be at least 0, got {weight}.")
        self.latent_weight = latent_weight
        self.image_weight = image_weight

    def forward(self, prediction: Mapping[str, Tensor | Sequence[Tensor]], target: Mapping[str, Tensor]) -> Tensor:
        """Return the loss, a scalar, computed in float32 under autocast as well.

        Args:
            prediction: of `shared.networks.UHVED` in training.
            target: "image" (B, M, *spatial), absent modalities NaN.
        """
        return self.terms(prediction, target)["completion"]

    def terms(
        self, prediction: Mapping[str, Tensor | Sequence[Tensor]], target: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Return the loss `completion` and its parts, not weighted: `latent_divergence` and `image_error`."""
        present, available = prediction["present"], prediction["available"]
        with torch.autocast(present.device.type, enabled=False):
            levels = zip(prediction["means"], prediction["log_variances"], strict=True)
            divergences = [subset_divergence(m.float(), v.float(), present, available) for m, v in levels]
            divergence = torch.stack(divergences).mean()
            image = target["image"].as_subclass(Tensor)
            error = reconstruction_error(prediction["images"].float(), image, present, norm="mse")
        return {
            "completion": self.latent_weight * divergence + self.image_weight * error,
            "latent_divergence": divergence,
            "image_error": error,
        }


def subset_divergence(means: Tensor, log_variances: Tensor, present: Tensor, available: Tensor) -> Tensor:
    r"""Kullback-Leibler divergences of products of latent Gaussians, mean over the batch.

    .. math:: \frac{1}{n - 1} \sum_S D(q_A \| q_S) + \frac{1}{n} \sum_S D(q_S \| \mathcal{N}(0, 1))

    A sample has P modalities; S are their n = 2^P - 1 non-empty subsets, A the available modalities, and q the products
    with the prior (`shared.networks.product_of_gaussians`). With four modalities the factors are the published 1/14 and
    1/15.

    Args:
        means: (B, M, L, *spatial), zero where not present.
        log_variances: same shape.
        present: boolean (B, M), at least one per sample.
        available: boolean (B, M), part of them.

    Returns:
        A scalar; every divergence is a mean over latent maps and places.
    """
    modalities = present.shape[1]
    precisions = (-log_variances).exp()
    weighted_means = precisions * means
    of_available = product_from_precisions(weighted_means, precisions, available)
    prior = torch.zeros_like(of_available[0]), torch.zeros_like(of_available[1])
    count = (2 ** present.sum(dim=1) - 1).to(means.dtype)
    between = to_prior = means.new_zeros(len(means))
    for number in range(1, 2**modalities):
        subset = present.new_tensor([bool(number >> modality & 1) for modality in range(modalities)]).expand_as(present)
        is_there = (present | ~subset).all(dim=1)
        if is_there.any():
            of_subset = product_from_precisions(weighted_means, precisions, subset)
            between = between + is_there * gaussian_divergence(*of_available, *of_subset)
            to_prior = to_prior + is_there * gaussian_divergence(*of_subset, *prior)
    return (between / (count - 1).clamp(min=1) + to_prior / count).mean()
