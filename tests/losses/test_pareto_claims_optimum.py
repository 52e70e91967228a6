"""Where the loss is smallest and how it curves, and what "Pareto-Guided Optimization" (arXiv 2601.19365v2) says."""

import pytest
import torch
from fuzzy_cases import CLASSES, FLAT_BOUNDARY, fixed, seeded, value_and_gradient


def single_voxel(*numbers):
    return torch.tensor(numbers, dtype=torch.float64).view(1, -1, 1)


def curvature(memberships, logits, rho_2):
    """Eigenvalues of the Hessian with respect to the logits of one voxel, ascending."""
    hessian = torch.autograd.functional.hessian(
        lambda z: fixed(rho_2=rho_2)(z.view(1, -1, 1), memberships), logits.flatten()
    )
    return torch.linalg.eigvalsh(hessian)


def eq_11(p, mu, rho_2, rho_1=1.0):
    """One pixel and one class, as Section 6 has it: p is free, not a softmax."""
    return -mu * p.log() - rho_2 * (1 - mu) * (rho_1 * (1 - p)).log()


@pytest.mark.parametrize("rho_2", [0.0, 0.3, 1.0])
def test_under_softmax_p_equal_to_mu_is_stationary_for_every_rho_2(rho_2):
    """Sec. 6.4 is right where p is a softmax: rho_2 does not move the target, not even for more than two classes."""
    mu = torch.randn(1, CLASSES, 6, 5, generator=seeded(), dtype=torch.float64).softmax(dim=1)
    value, gradient = value_and_gradient(fixed(rho_2=rho_2), mu.log(), mu)
    assert gradient.abs().max() < 1e-9
    for seed in range(5):
        elsewhere = mu.log() + 0.1 * torch.randn(mu.shape, generator=seeded(seed), dtype=torch.float64)
        moved, slope = value_and_gradient(fixed(rho_2=rho_2), elsewhere, mu)
        assert moved > value + 1e-4
        assert slope.abs().max() > 1e-4


@pytest.mark.parametrize(
    ("mu", "rho_2", "minimiser"), [(0.1, 0.5, 0.1818), (0.1, 1.0, 0.1), (0.5, 0.1, 0.9091), (0.1, 0.001, 0.9911)]
)
def test_in_one_dimension_p_equal_to_mu_is_no_minimiser(mu, rho_2, minimiser):
    """Sec. 6.4 as stated: p* = mu / (mu + rho_2 (1 - mu)), which goes to 1 when rho_2 goes to 0."""
    assert mu / (mu + rho_2 * (1 - mu)) == pytest.approx(minimiser, abs=1e-4)
    p = torch.linspace(1e-4, 1 - 1e-4, 9999, dtype=torch.float64)
    assert p[eq_11(p, mu, rho_2).argmin()].item() == pytest.approx(minimiser, abs=1e-4)
    at_mu = torch.tensor(mu, dtype=torch.float64, requires_grad=True)
    eq_11(at_mu, mu, rho_2).backward()
    assert at_mu.grad.item() == pytest.approx(rho_2 - 1, abs=1e-9)  # zero for rho_2 = 1 only


def test_curvature_of_cross_entropy_in_the_logits_does_not_depend_on_the_label():
    """Sec. 6.5 compares curvatures in p; in the logits the Hessian is diag(p) - p p^T for hard and soft labels."""
    logits = single_voxel(0.3, -1.2, 2.0, 0.5)
    p = logits.flatten().softmax(dim=0)
    expected = torch.linalg.eigvalsh(torch.diag(p) - torch.outer(p, p))
    for memberships in (single_voxel(1, 0, 0, 0), single_voxel(0, 0, 1, 0), single_voxel(0.1, 0.2, 0.3, 0.4)):
        torch.testing.assert_close(curvature(memberships, logits, rho_2=0.0), expected)


@pytest.mark.parametrize(("rho_2", "largest"), [(0.0, 0.5), (0.5, 1.0), (1.0, 1.5)])
def test_second_term_raises_the_largest_curvature(rho_2, largest):
    """Torn between classes 0 and 1 where class 2 is right: 1/2 from either term, times 1 + 2 rho_2."""
    eigenvalues = curvature(single_voxel(0, 0, 1, 0), single_voxel(0, 0, -30, -30), rho_2)
    assert eigenvalues[-1].item() == pytest.approx(largest, abs=1e-6)


@pytest.mark.parametrize(("rho_2", "smallest"), [(0.0, 0.0), (0.5, -0.25), (1.0, -0.5)])
def test_second_term_costs_the_convexity_of_cross_entropy(rho_2, smallest):
    """Sec. 6.6: "preserves per-pixel convexity". In p; in the logits a voxel that is certain and wrong curves down."""
    eigenvalues = curvature(single_voxel(0, 1, 0, 0), single_voxel(40, 0, 0, -40), rho_2)
    assert eigenvalues[0].item() == pytest.approx(smallest, abs=1e-6)


@pytest.mark.parametrize(("rho_2", "largest"), [(0.0, 0.4527), (1.0, 0.9053)])
def test_soft_optimum_is_not_flatter_than_the_hard_one(rho_2, largest):
    """Sec. 6.6: hard labels end on a plain, the memberships of a flat boundary in a valley."""
    mu = single_voxel(*FLAT_BOUNDARY, 0, 0)
    assert curvature(mu, mu.clamp(min=1e-30).log(), rho_2)[-1].item() == pytest.approx(largest, abs=1e-4)
    assert curvature(single_voxel(1, 0, 0, 0), single_voxel(20, 0, 0, 0), rho_2)[-1] < 1e-6


@pytest.mark.parametrize("rho_2", [0.1, 0.5, 1.0])
def test_curvature_in_p_is_bounded_at_the_soft_optimum(rho_2):
    """Sec. 6.4, confirmed: 1 / mu + rho_2 / (1 - mu) at p = mu. But hard labels have 1 at p = 1, which is less."""
    mu = FLAT_BOUNDARY[0]

    def curvature_in_p(p, target):
        at = torch.tensor(p, dtype=torch.float64)
        return torch.autograd.functional.hessian(lambda q: eq_11(q, target, rho_2), at).item()

    assert curvature_in_p(mu, mu) == pytest.approx(1 / mu + rho_2 / (1 - mu))
    assert curvature_in_p(1e-3, 1.0) == pytest.approx(1e6)
    assert curvature_in_p(1 - 1e-9, 1.0) == pytest.approx(1)
    assert curvature_in_p(mu, mu) > 1.5
