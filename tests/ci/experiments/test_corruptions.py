import pytest
import torch

from ci.experiments.corruptions import CORRUPTIONS, add_bias_field, add_noise, spoilt_images, take_another_patient


@pytest.fixture
def channel():
    inside = torch.zeros(12, 12, 12, dtype=torch.bool)
    inside[2:10, 2:10, 2:10] = True
    values = torch.randn(12, 12, 12, generator=torch.Generator().manual_seed(0))
    return torch.where(inside, (values - values[inside].mean()) / values[inside].std(), 0.0)


@pytest.mark.parametrize("spoil", [add_noise, add_bias_field])
def test_air_stays_zero_and_the_brain_changes(channel, spoil):
    spoilt = spoil(channel, channel, 0)
    assert (spoilt[channel == 0] == 0).all()
    assert (spoilt[channel != 0] != channel[channel != 0]).float().mean() > 0.99
    assert torch.equal(spoilt, spoil(channel, channel, 0))


def test_noise_doubles_the_variance(channel):
    assert add_noise(channel, channel, 1)[channel != 0].var().item() == pytest.approx(2, rel=0.2)


def test_a_bias_field_leaves_a_normalised_brain(channel):
    inside = add_bias_field(channel, channel, 1)[channel != 0]
    assert (inside.mean().item(), inside.std().item()) == pytest.approx((0, 1), abs=1e-4)


def test_another_patient_has_the_size_of_this_one(channel):
    other = torch.ones(10, 14, 12)
    moved = take_another_patient(channel, other, 0)
    assert moved.shape == channel.shape
    assert moved[1:11].eq(1).all()
    assert moved[0].eq(0).all()


def test_one_modality_at_a_time_in_turn():
    images = [torch.full((3, 4, 4, 4), float(number)) for number in range(1, 4)]
    images[2][0] = torch.nan
    for at, expected in enumerate([[None, 0, 1, 2], [None, 2, 1, 2], [None, 1, 2, 1]]):
        found = list(spoilt_images(images, at))
        assert [name for name, _, _ in found] == ["none", *CORRUPTIONS]
        assert [modality for _, modality, _ in found] == expected
        for _, modality, image in found:
            same = [torch.equal(image[m].nan_to_num(), images[at][m].nan_to_num()) for m in range(3)]
            assert same == [m != modality for m in range(3)]
    assert [image.isnan().any().item() for image in images] == [False, False, True]


def test_nothing_to_spoil():
    images = [torch.full((1, 4, 4, 4), torch.nan)] * 2
    assert len(list(spoilt_images(images, 0))) == 1
