"""The values of an absent modality have no influence, those of a present one do."""

import pytest
import torch
from subset_networks import NAN, SIZES, every_network, make, mixed, run, volume

from shared.networks import M3AE, UHVED

# kind and form of every network; M3AE has one form
FORMS = [(kind, {"dense": dense}) for kind in SIZES if kind is not M3AE for dense in (False, True)] + [(M3AE, {})]
every_form = pytest.mark.parametrize(("kind", "form"), FORMS)


@every_form
def test_content_of_an_absent_modality_changes_no_bit(kind, form):
    network, image = make(kind, **form), mixed(kind)
    changed = image.clone()
    changed[0, 1, 3:] = 1e30
    changed[1, [0, 2, 3], 3:] = float("inf")
    assert torch.equal(run(network, image), run(network, changed))


@every_form
def test_content_of_a_modality_that_is_not_kept_changes_no_bit(kind, form):
    network, image = make(kind, **form), volume(kind, batch=2)
    keep = torch.tensor([[True, False, True, True], [False, False, False, True]])
    changed = torch.where(keep.view(2, 4, 1, 1, 1), image, 1e3)
    assert torch.equal(run(network, image, keep), run(network, changed, keep))


@every_network
def test_not_kept_is_the_same_as_absent(kind):
    network, image = make(kind), mixed(kind)
    keep = ~image.isnan().flatten(2).any(2)
    torch.testing.assert_close(run(network, volume(kind, batch=3), keep), run(network, image), rtol=0, atol=0)


@every_network
def test_keep_acts_in_training_as_in_evaluation(kind):
    """Dropout is off; U-HVED alone draws."""
    network, image = make(kind), volume(kind, batch=2)
    keep = torch.tensor([[True, False, True, False], [True, True, True, True]])
    with torch.no_grad():
        trained = network.train()(image, keep)
    assert torch.equal(trained["available"], keep)
    assert trained["present"].all()
    if kind is not UHVED:
        torch.testing.assert_close(trained["pred"], run(network, image, keep), rtol=1e-3, atol=1e-3)


@every_network
def test_every_present_modality_has_influence(kind):
    network, image = make(kind), volume(kind)
    full = run(network, image)
    for absent in (0, 3):
        partial = image.clone()
        partial[:, absent] = NAN
        assert (run(network, partial) - full).abs().max() > 1e-3
