"""Average the probabilities of mirrored images and of several networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, Protocol

import torch
from monai.inferers import Inferer
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import Tensor

from ..errors import InputError
from .channel_groups import ChannelGroups

__all__ = ["AveragedInferer", "disagreement_of"]


class HasNetworks(Protocol):
    """What holds the networks of an ensemble, such as `WeightsLoader`."""

    networks: Sequence[Callable[..., Tensor]]


class AveragedInferer(Inferer):
    """Run another inferer once per mirrored image and network, and return logits of the mean probabilities.

    Mirroring along n axes takes 2^n passes: every combination of the axes, mirrored back before the mean. Networks
    count alike. With one network and no axes the other inferer's output is returned as it is. With several networks
    one channel is appended, their disagreement (see `disagreement_of`); `SplitDisagreementd` takes it off.

    Args:
        inferer: for example a sliding window.
        groups: which channels are one distribution; see `ChannelGroups`. Further channels are averaged as they are.
        ensemble: holds the networks; with fewer than two of them the one that is called with counts.
        tta_axes: spatial axes of the image that the network sees along which it is mirrored, 0 the first.
        spatial_dims: number of the image's spatial axes.
        temperatures: of every network of an ensemble one per group, as `shared.reports.member_temperatures` gives them;
            none for networks as they are.
        decision_weights: those that the transform after the network puts on the first group, for which the
            temperatures were fitted.

    Raises:
        InputError: `tta_axes` are no different spatial axes.
    """

    def __init__(
        self,
        inferer: Inferer,
        groups: Sequence[Any],
        ensemble: HasNetworks | None = None,
        tta_axes: Sequence[int] = (),
        spatial_dims: int = 3,
        temperatures: Sequence[Sequence[Any]] = (),
        decision_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        known, axes = list(range(spatial_dims)), list(tta_axes) if isinstance(tta_axes, (list, tuple)) else [tta_axes]
        if any(isinstance(axis, bool) or axis not in known for axis in axes) or len(set(axes)) < len(axes):
            raise InputError(f"--tta_axes: expected a list of different axes of {known}, got {tta_axes!r}; correct it.")
        self.inferer = inferer
        self.groups = ChannelGroups(groups, decision_weights)
        self.ensemble = ensemble
        self.temperatures = list(temperatures)
        self.mirrored = [subset for size in range(len(axes) + 1) for subset in combinations(axes, size)]

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Predict images (B, M, *spatial); further arguments are the other inferer's."""
        networks = [] if self.ensemble is None else self.ensemble.networks
        if len(networks) < 2:
            networks = [network]
        if len(networks) == len(self.mirrored) == 1:
            return self.inferer(inputs, network, *args, **kwargs)
        plain = convert_to_tensor(inputs, track_meta=False)
        mean, entropy = None, 0.0
        for number, member in enumerate(networks):
            of_member = None
            for axes in self.mirrored:
                output = self._mirrored(plain, member, axes, *args, **kwargs)
                if self.temperatures:
                    output = self.groups.at_temperatures(output, self.temperatures[number])
                of_member = _added(of_member, self.groups.probabilities(output).div_(len(self.mirrored)))
                del output  # before the next one is made
            if len(networks) > 1:
                entropy = entropy + _entropy(self.groups.first(of_member)) / len(networks)
            mean = _added(mean, of_member.div_(len(networks)))
            del of_member
        disagreement = disagreement_of(self.groups.first(mean), entropy) if len(networks) > 1 else None
        output = self.groups.logits(mean)
        del mean
        if disagreement is not None:
            output = torch.cat([output, disagreement], dim=1)
        return convert_to_dst_type(output, inputs, dtype=output.dtype, device=output.device)[0]

    def _mirrored(
        self, image: Tensor, network: Callable[..., Tensor], axes: Sequence[int], *args: Any, **kwargs: Any
    ) -> Tensor:
        """Return the output for an image that is mirrored along some axes, mirrored back."""
        if not axes:
            return self.inferer(image, network, *args, **kwargs).float()
        turned = [2 + axis for axis in axes]
        return self.inferer(image.flip(turned), network, *args, **kwargs).flip(turned).float()


def disagreement_of(mean: Tensor, entropy: Tensor) -> Tensor:
    """Mutual information of class and network: entropy of the mean distribution - mean entropy of the distributions.

    It is 0 where all networks say the same, however uncertain they are, and ln N at most. In nats. (Houlsby et al.,
    arXiv 1112.5745, 2011, Eq. 2; "knowledge uncertainty" of an ensemble in Malinin and Gales, NeurIPS 2018.)

    Args:
        mean: mean of N networks' probabilities (B, C, *spatial), summing to one over C.
        entropy: mean of their entropies (B, 1, *spatial), in nats.

    Returns:
        (B, 1, *spatial).
    """
    return (_entropy(mean) - entropy).clamp(min=0)


def _entropy(probabilities: Tensor) -> Tensor:
    """Entropy over the channels, in nats, (B, 1, *spatial)."""
    return torch.special.entr(probabilities).sum(dim=1, keepdim=True)


def _added(total: Tensor | None, part: Tensor) -> Tensor:
    return part if total is None else total.add_(part)
