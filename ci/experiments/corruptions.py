"""Spoil one modality of a normalised image, to see whether a network notices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from monai.transforms import RandBiasField, ResizeWithPadOrCrop
from monai.utils import convert_to_tensor
from torch import Tensor

UNTOUCHED = "none"


def add_noise(channel: Tensor, other: Tensor, seed: int) -> Tensor:
    """Add normal noise of standard deviation 1, that of the normalised image, wherever the image is not air (0)."""
    generator = torch.Generator().manual_seed(seed)
    return channel + torch.randn(channel.shape, generator=generator) * (channel != 0)


def add_bias_field(channel: Tensor, other: Tensor, seed: int) -> Tensor:
    """Multiply the intensities above the darkest voxel with a smooth field, and normalise what is not air again."""
    inside = channel != 0
    field = RandBiasField(prob=1.0, coeff_range=(0.3, 0.5)).set_random_state(seed)
    spoilt = convert_to_tensor(field((channel - channel.min())[None])[0], track_meta=False)
    return torch.where(inside, (spoilt - spoilt[inside].mean()) / spoilt[inside].std().clamp(min=1e-6), 0.0)


def take_another_patient(channel: Tensor, other: Tensor, seed: int) -> Tensor:
    """Return the same modality of another case, padded or cropped to the size of this one."""
    return convert_to_tensor(ResizeWithPadOrCrop(channel.shape)(other[None])[0], track_meta=False)


CORRUPTIONS: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {
    "noise": add_noise,
    "bias field": add_bias_field,
    "another patient": take_another_patient,
}


def spoilt_images(images: Sequence[Tensor], at: int) -> Iterator[tuple[str, int | None, Tensor]]:
    """Yield a case as it is, then with one modality spoilt in every way of `CORRUPTIONS`.

    Args:
        images: (M, *spatial), of all cases, at least two; the next one is the other patient. Absent modalities are NaN
            and are not spoilt.
        at: which case. The modality that is spoilt changes with the case and with the corruption.

    Yields:
        Name of the corruption, number of the spoilt modality (None: all as they are), image.
    """
    image, other = images[at], images[(at + 1) % len(images)]
    yield UNTOUCHED, None, image
    there = [m for m in range(len(image)) if not image[m].isnan().any() and not other[m].isnan().any()]
    for number, (name, spoil) in enumerate(CORRUPTIONS.items() if there else ()):
        modality = there[(at + number) % len(there)]
        spoilt = image.clone()
        spoilt[modality] = spoil(image[modality], other[modality], at)
        yield name, modality, spoilt
