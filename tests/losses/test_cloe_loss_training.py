"""What the loss of CLoE trains, logs and keeps."""

import io

import pytest
import torch
from cloe_cases import BRANCHES, KEEP, batch, make

from shared.errors import InputError
from shared.losses import CLoELoss, ContrastiveRepresentationLoss


def test_every_parameter_gets_a_gradient():
    (image, target), network = batch(), make(branches=BRANCHES)
    loss = CLoELoss(contrastive_loss=ContrastiveRepresentationLoss(window_size=3))
    loss(network(image, KEEP), target).backward()
    assert not [name for name, p in network.named_parameters() if p.grad is None]
    dead = {name for name, p in network.named_parameters() if not p.grad.any()}
    assert all(name.endswith("bias") for name in dead)  # cancelled by the normalisation that follows


def region_gradient(**options):
    (image, target), network = batch(), make()
    CLoELoss(fused_weight=0.0, **options)(network(image, KEEP), target).backward()
    return network.region_map[2].weight.grad


def test_region_map_learns_from_its_supervision_or_in_the_printed_form_from_agreement():
    assert region_gradient() is not None
    assert region_gradient(region_weight=0, detach_region=False) is not None
    with pytest.raises(InputError, match="region_weight is 0 and detach_region true: nothing would train the region"):
        CLoELoss(region_weight=0)


@pytest.mark.parametrize(
    ("network", "loss"),
    [
        ({}, {"modality_consistency": 0}),
        ({"gate_scores": ["modality"], "region_map": False}, {"region_consistency": 0, "region_weight": 0}),
        ({"fusion": "mean"}, {}),
        ({"fusion": "concat"}, {}),
        (
            {"fusion": "mean", "region_map": False},
            {"consistency_weight": 0, "region_consistency": 0, "region_weight": 0},
        ),
    ],
    ids=["without MEC", "without REC", "without gate", "without weighted fusion", "experts only"],
)
def test_ablations_of_table_3_train(network, loss):
    (image, target), network = batch(), make(**network)
    value = CLoELoss(**loss)(network(image, KEEP), target)
    value.backward()
    assert value.isfinite()
    assert not [name for name, p in network.named_parameters() if p.grad is None]


@pytest.mark.filterwarnings("ignore:content contrast")
@pytest.mark.parametrize("available", [1, 2, 3])
def test_a_batch_of_one_is_finite_with_any_number_of_modalities(available):
    (image, target), network = batch(), make(branches=BRANCHES)
    target = {name: value[:1] for name, value in target.items()}
    loss = CLoELoss(contrastive_loss=ContrastiveRepresentationLoss(window_size=3))
    output = network(image[:1], torch.arange(3)[None] < available)
    value = loss(output, target)
    value.backward()
    assert value.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())
    terms = loss.terms(output, target)
    assert (terms["modality_consistency"] == 0) == (available == 1)
    assert terms["weight_2"].isnan() == (available < 3)


def test_a_log_sees_the_terms_of_the_training_s_own_forward_pass():
    (image, target), network, loss, seen = batch(), make(), CLoELoss(), []
    loss.total.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0]))
    output = network(image, KEEP)
    value = loss(output, target)
    assert torch.equal(seen[0]["total"], value)
    assert seen[0].keys() == loss.terms(output, target).keys()


def test_weights_are_set_from_outside_and_kept_in_the_state():
    (image, target), network = batch(), make()
    output, loss = network(image, KEEP), CLoELoss()
    loss.set_fused_weight(0.0)
    loss.set_consistency_weight(0.0)
    terms = loss.terms(output, target)
    torch.testing.assert_close(loss(output, target), terms["experts"] + terms["region"])
    file = io.BytesIO()
    torch.save(loss.state_dict(), file)
    file.seek(0)
    other = CLoELoss()
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other(output, target), loss(output, target))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_float32_under_autocast(dtype):
    (image, target), network = batch(), make(branches=BRANCHES)
    loss = CLoELoss(contrastive_loss=ContrastiveRepresentationLoss(window_size=3))
    with torch.no_grad():
        output = network(image, KEEP)
        with torch.autocast("cpu", dtype):
            under_autocast = loss(output, target)
            of_half_network = loss(network(image, KEEP), target)
        assert torch.equal(under_autocast, loss(output, target))
    assert of_half_network.item() == pytest.approx(under_autocast.item(), rel=0.05)


@pytest.mark.parametrize("name", ["expert_weight", "consistency_weight", "region_consistency", "fused_weight"])
@pytest.mark.parametrize("value", [-1, float("inf"), float("nan")])
def test_weights_without_meaning_are_refused(name, value):
    with pytest.raises(InputError, match=f"{name} must be at least 0 and finite, got {value}"):
        CLoELoss(**{name: value})
