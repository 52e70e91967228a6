import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from shared.errors import InputError
from shared.losses import CLoELoss, ModalityReconstructionLoss, WeightedCrossEntropyDiceLoss
from shared.networks import RobustSeg


def batch():
    """Two samples of two modalities, the second of which the second sample lacks; a style has three values."""
    random = torch.Generator().manual_seed(0)
    prediction = {
        "images": torch.randn(2, 2, 3, 4, 5, generator=random),
        "style_mean": torch.randn(2, 2, 3, generator=random),
        "style_log_variance": torch.randn(2, 2, 3, generator=random),
        "present": torch.tensor([[True, True], [True, False]]),
    }
    image = torch.randn(2, 2, 3, 4, 5, generator=random)
    image[1, 1] = torch.nan
    return prediction, {"image": image}


def test_by_hand():
    """Errors 1 and 3 of two modalities; styles N(1, 1) and N(0, 4) of two values: 2 x 1/2 and 2 x (3 - ln 4) / 2."""
    prediction = {
        "images": torch.tensor([1.0, -1.0]).view(1, 2, 1, 1, 1).expand(1, 2, 2, 2, 2),
        "style_mean": torch.tensor([[[1.0, 1.0], [0.0, 0.0]]]),
        "style_log_variance": torch.tensor([[[1.0, 1.0], [4.0, 4.0]]]).log(),
        "present": torch.tensor([[True, True]]),
    }
    target = {"image": torch.tensor([2.0, -4.0]).view(1, 2, 1, 1, 1).expand(1, 2, 2, 2, 2)}
    expected = 0.1 * (1 + 3) + 0.1 * (1 + 3 - math.log(4))
    assert ModalityReconstructionLoss()(prediction, target).item() == pytest.approx(expected)


def test_is_the_sum_over_the_modalities_of_a_sample_and_the_mean_over_samples():
    prediction, target = batch()
    expected = 0.0
    for sample, modality in ((0, 0), (0, 1), (1, 0)):
        mean, log_variance = (prediction[f"style_{name}"][sample, modality] for name in ("mean", "log_variance"))
        divergence = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum()
        error = (prediction["images"] - target["image"])[sample, modality].abs().mean()
        expected = expected + (0.3 * error + 0.7 * divergence) / 2
    loss = ModalityReconstructionLoss(image_weight=0.3, style_weight=0.7)
    torch.testing.assert_close(loss(prediction, target), expected)


@pytest.mark.parametrize("name", ["image_weight", "style_weight"])
@pytest.mark.parametrize("weight", [-0.1, math.nan])
def test_refuses_a_weight_below_zero(name, weight):
    with pytest.raises(InputError, match=f"{name} must be at least 0, got {weight}"):
        ModalityReconstructionLoss(**{name: weight})


def test_is_added_to_the_loss_of_experts_for_networks_without_experts():
    torch.manual_seed(0)
    image, label = torch.randn(1, 4, 16, 16, 16), torch.randint(0, 4, (1, 1, 16, 16, 16))
    prediction, target = RobustSeg(features=2)(image), {"image": image, "label": label}
    completion = ModalityReconstructionLoss()
    loss = CLoELoss(expert_weight=0, region_consistency=0, region_weight=0, completion_loss=completion)
    expected = WeightedCrossEntropyDiceLoss()(prediction["pred"], label) + completion(prediction, target)
    torch.testing.assert_close(loss(prediction, target), expected)
