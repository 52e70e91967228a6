"""Which images networks of any subset take, and which they refuse."""

import pytest
import torch
from subset_networks import NAN, SIZES, every_network, make, mixed, run, volume

from shared.errors import InputError
from shared.networks import CLoE, MMFormer, ShaSpec

NUMBERS = [(kind, number) for kind in SIZES for number in (1, 2, 3, 5) if (kind, number) != (CLoE, 1)]


@pytest.mark.parametrize(("kind", "modalities"), NUMBERS)
def test_any_number_of_modalities_and_classes_will_do(kind, modalities):
    network = make(kind, in_channels=modalities, out_channels=3)
    image = volume(kind, batch=2, modalities=modalities)
    image[1, : modalities - 1] = NAN
    assert network(image)["pred"].shape == (2, 3, *SIZES[kind])
    output = run(network, image)
    assert output.shape == (2, 3, *SIZES[kind])
    assert not output.isnan().any()


def test_cloe_needs_two_modalities_to_agree():
    with pytest.raises(InputError, match="in_channels must be 2 or more, got 1"):
        make(CLoE, in_channels=1)


@every_network
def test_refuses_another_number_of_modalities(kind):
    with pytest.raises(ValueError, match=r"image must be \(B, 4, H, W, D\), got \(1, 3,"):
        run(make(kind), volume(kind, modalities=3))


@pytest.mark.parametrize("kind", [kind for kind in SIZES if kind is not ShaSpec])  # which pads
def test_refuses_a_size_that_cannot_be_halved(kind):
    stride = 16 if kind is MMFormer else 8
    for size in ((40, 48, 36), (48, 48, stride)):
        with pytest.raises(ValueError, match=f"every axis must be a multiple of {stride}, {2 * stride} or more, got"):
            run(make(kind), torch.zeros(1, 4, *size))


@every_network
@pytest.mark.parametrize("keep", [torch.ones(2, 4), torch.ones(1, 4) > 0, torch.ones(4) > 0, torch.ones(2, 3) > 0])
def test_keep_of_another_type_or_shape_is_refused(kind, keep):
    """A float mask could not be joined to the modalities that are there; shapes would be broadcast silently."""
    with pytest.raises(ValueError, match=r"keep must be boolean \(B, M\) = \(2, 4\), got torch\."):
        make(kind)(volume(kind, batch=2), keep)


@every_network
def test_refuses_a_sample_without_any_modality(kind):
    image = mixed(kind)
    image[2] = NAN
    with pytest.raises(ValueError, match="no modality is available in sample 2"):
        run(make(kind), image)
    with pytest.raises(ValueError, match="no modality is available in sample 0"):
        run(make(kind), volume(kind), torch.zeros(1, 4, dtype=torch.bool))
