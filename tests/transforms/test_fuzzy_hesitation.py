import pytest
import torch

from shared.transforms import fuzzy_hesitation, fuzzy_membership, fuzzy_non_membership


@pytest.mark.parametrize("rho_2", [0.0, 0.3, 1.0, torch.tensor(0.7)])
def test_membership_non_membership_and_hesitation_sum_to_one(rho_2):
    """Eqs. 2, 3 and 5."""
    label = torch.randint(0, 4, (1, 6, 7, 8), generator=torch.Generator().manual_seed(0))
    memberships = fuzzy_membership(torch.nn.functional.one_hot(label, 4).movedim(-1, 1))
    non_memberships, hesitation = fuzzy_non_membership(memberships, rho_2), fuzzy_hesitation(memberships, rho_2)
    torch.testing.assert_close(non_memberships, (1 - memberships) * rho_2)
    torch.testing.assert_close(hesitation, (1 - memberships) * (1 - rho_2))
    torch.testing.assert_close(memberships + non_memberships + hesitation, torch.ones_like(memberships))
    assert hesitation.min() >= 0


def test_non_membership_and_hesitation_by_hand():
    memberships = torch.tensor([[[1.0, 0.75, 0.0]]])
    assert fuzzy_non_membership(memberships, 0.5).tolist() == [[[0, 0.125, 0.5]]]
    assert fuzzy_hesitation(memberships, 0.25).tolist() == [[[0, 0.1875, 0.75]]]


def test_non_membership_passes_the_gradient_on_to_rho_2():
    rho_2 = torch.tensor(0.5, requires_grad=True)
    fuzzy_non_membership(torch.tensor([[[1.0, 0.75, 0.0]]]), rho_2).sum().backward()
    assert rho_2.grad == 1.25


@pytest.mark.parametrize("rho_2", [-0.1, 1.1])
@pytest.mark.parametrize("share", [fuzzy_non_membership, fuzzy_hesitation])
def test_refuses_rho_2_outside_0_to_1(share, rho_2):
    with pytest.raises(ValueError, match=rf"rho_2 must be in \[0, 1\], got {rho_2}"):
        share(torch.rand(1, 2, 3, 3), rho_2)
