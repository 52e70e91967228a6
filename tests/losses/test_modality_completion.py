from itertools import combinations

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from shared.errors import InputError
from shared.losses import ModalityCompletionLoss, gaussian_divergence, subset_divergence
from shared.networks import UHVED, product_of_gaussians

SPACE = (2, 3, 2)


def gaussians(batch, modalities, seed=0):
    random = torch.Generator().manual_seed(seed)
    shape = (batch, modalities, 2, *SPACE)
    return torch.randn(shape, generator=random), torch.randn(shape, generator=random)


def normal(mean, log_variance):
    return Normal(mean, (0.5 * log_variance).exp())


def test_divergence_by_hand():
    """N(1, 4) from N(3, 2): (2 + 4/2 - 1 - ln 2) / 2."""
    values = (torch.full((1, 1, 1), value) for value in (1.0, torch.tensor(4.0).log(), 3.0, torch.tensor(2.0).log()))
    expected = (2 + 2 - 1 - torch.tensor(2.0).log()) / 2
    torch.testing.assert_close(gaussian_divergence(*values), expected.view(1))


def test_divergence_is_that_of_torch_distributions():
    means, log_variances = gaussians(3, 2)
    first, second = ((means[:, m], log_variances[:, m]) for m in range(2))
    expected = kl_divergence(normal(*first), normal(*second)).flatten(1).mean(dim=1)
    torch.testing.assert_close(gaussian_divergence(*first, *second), expected)


@pytest.mark.parametrize("kept", [[0], [1, 3], [0, 1, 2, 3]])
def test_with_four_modalities_the_published_sum_over_subsets(kept):
    """1/14 and 1/15 of the sums; the subset that is the available one adds zero to the first."""
    means, log_variances = gaussians(1, 4)

    def product(subset):
        precisions = [torch.ones(1), *((-log_variances[:, m]).exp() for m in subset)]
        weighted = [(-log_variances[:, m]).exp() * means[:, m] for m in subset]
        return Normal(sum(weighted) / sum(precisions), sum(precisions).rsqrt())

    subsets = [subset for size in range(1, 5) for subset in combinations(range(4), size)]
    between = sum(kl_divergence(product(kept), product(subset)).mean() for subset in subsets)
    to_prior = sum(kl_divergence(product(subset), Normal(0.0, 1.0)).mean() for subset in subsets)
    present = torch.ones(1, 4, dtype=torch.bool)
    available = torch.tensor([[m in kept for m in range(4)]])
    torch.testing.assert_close(
        subset_divergence(means, log_variances, present, available), between / 14 + to_prior / 15
    )


def test_a_sample_counts_the_subsets_of_what_it_has():
    """Modalities that a sample lacks change nothing: as if the data set did not know them."""
    means, log_variances = gaussians(1, 2)
    present = torch.ones(1, 2, dtype=torch.bool)
    available = torch.tensor([[True, False]])
    wider = [torch.cat([item, torch.zeros_like(item)], dim=1) for item in (means, log_variances)]
    missing = torch.zeros(1, 2, dtype=torch.bool)
    torch.testing.assert_close(
        subset_divergence(*wider, torch.cat([present, missing], 1), torch.cat([available, missing], 1)),
        subset_divergence(means, log_variances, present, available),
    )


def test_one_modality_is_compared_with_the_prior_alone():
    means, log_variances = gaussians(1, 1)
    there = torch.ones(1, 1, dtype=torch.bool)
    product = product_of_gaussians(means, log_variances, there)
    expected = kl_divergence(normal(*product), Normal(0.0, 1.0)).mean()
    torch.testing.assert_close(subset_divergence(means, log_variances, there, there), expected)


def test_images_count_where_they_are_present():
    """Errors 1 and 3 of what is there (kept or not), anything where it is not."""
    image = torch.zeros(2, 2, *SPACE)
    image[1, 1] = float("nan")
    images = torch.tensor([[1.0, 1.0], [3.0, 7.0]]).view(2, 2, 1, 1, 1).repeat(1, 1, *SPACE).requires_grad_()
    present = torch.tensor([[True, True], [True, False]])
    zeros = [torch.zeros(2, 2, 1, *SPACE)]
    prediction = {"images": images, "means": zeros, "log_variances": zeros, "present": present}
    prediction["available"] = torch.tensor([[True, False], [True, False]])
    terms = ModalityCompletionLoss().terms(prediction, {"image": image})
    assert terms["image_error"].item() == pytest.approx((1 + 1 + 9) / 3)
    terms["image_error"].backward()
    assert torch.isfinite(images.grad).all()
    assert not images.grad[1, 1].any()


def test_is_the_weighted_sum_of_its_terms_on_every_level_of_the_network():
    torch.manual_seed(0)
    image = torch.randn(2, 3, 16, 16, 16)
    image[1, 2] = float("nan")
    network = UHVED(3, 2, features=2).train()
    prediction = network(image, torch.tensor([[True, False, True], [True, True, True]]))
    loss = ModalityCompletionLoss(0.3, 0.2)
    terms = loss.terms(prediction, {"image": image})
    levels = zip(prediction["means"], prediction["log_variances"], strict=True)
    divergences = [subset_divergence(*level, prediction["present"], prediction["available"]) for level in levels]
    torch.testing.assert_close(terms["latent_divergence"], sum(divergences) / 4)
    total = loss(prediction, {"image": image})
    torch.testing.assert_close(total, 0.3 * terms["latent_divergence"] + 0.2 * terms["image_error"])
    total.backward()
    assert all(torch.isfinite(p.grad).all() for name, p in network.named_parameters() if not name.startswith("decoder"))


def test_negative_weights_are_refused():
    with pytest.raises(InputError, match="latent_weight must be at least 0, got -1"):
        ModalityCompletionLoss(latent_weight=-1)
