"""Absent modalities are not encoded, except in the dense form, which gives the same."""

import pytest
import torch
from subset_networks import SIZES, make, mixed, run, tensors, volume

from shared.networks import M3AE, CLoE, MMFormer, RobustSeg, ShaSpec, UHeMIS

# each has an encoder per modality; M3AE has one for the stacked modalities
WITH_ENCODERS = [kind for kind in SIZES if kind is not M3AE]
pytestmark = pytest.mark.parametrize("kind", WITH_ENCODERS, ids=lambda kind: kind.__name__)


def samples_seen(modules):
    """Return a list per module that grows by the number of samples of each of its calls."""
    seen = [[] for _ in modules]
    for calls, module in zip(seen, modules, strict=True):
        module.register_forward_pre_hook(lambda _, args, calls=calls: calls.append(len(args[0])))
    return seen


def of_single_modalities(kind, network):
    """Encoders of single modalities and, for mmFormer, the transformers behind them."""
    return [network.encoders.by_modality, *([network.within] if kind is MMFormer else [])]


def test_absent_modalities_are_not_computed(kind):
    """Every modality is in two samples of the mixed batch; its second sample has modality 1 alone."""
    network = make(kind).eval()
    seen = [samples_seen(modules) for modules in of_single_modalities(kind, network)]
    run(network, mixed(kind))
    run(network, mixed(kind)[1:2])
    assert seen == [[[2], [2, 1], [2], [2]]] * len(seen)


def test_modalities_that_are_not_kept_are_not_computed(kind):
    """In training losses of single modalities see them; U-HeMIS, RobustSeg, ShaSpec have none, CLoE chooses not to."""
    network, image = make(kind).eval(), volume(kind, batch=2)
    keep = torch.tensor([[True, False, False, True], [True, False, True, False]])
    seen = [samples_seen(modules) for modules in of_single_modalities(kind, network)]
    run(network, image, keep)
    assert seen == [[[2], [], [1], [1]]] * len(seen)
    network.train()(image, keep)
    of_encoders, *of_transformers = seen
    assert of_encoders == (
        [[2, 2], [], [1, 1], [1, 1]] if kind in (UHeMIS, CLoE, RobustSeg, ShaSpec) else [[2, 2], [2], [1, 2], [1, 2]]
    )
    assert all(calls == [[2, 2], [], [1, 1], [1, 1]] for calls in of_transformers)


def test_dense_form_gives_the_same_and_encodes_everything(kind):
    sparse, dense = make(kind), make(kind, dense=True)
    seen = samples_seen(dense.encoders.by_modality)
    torch.testing.assert_close(run(dense, mixed(kind)), run(sparse, mixed(kind)), rtol=1e-3, atol=1e-3)
    assert seen == [[3], [3], [3], [3]]


def test_dense_form_trains_the_same(kind):
    image, keep = mixed(kind), torch.tensor([[True, False, False, True], [False, True, False, False], [True] * 4])
    outputs = []
    for dense in (False, True):
        network = make(kind, dense=dense)
        torch.manual_seed(2)  # of U-HVED's sample
        outputs.append(tensors(network(image, keep)))
    for sparse, dense in zip(*outputs, strict=True):
        torch.testing.assert_close(dense, sparse, rtol=1e-2, atol=1e-2)
