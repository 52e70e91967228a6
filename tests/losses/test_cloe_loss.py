import io

import pytest
import torch
from monai.losses import DiceCELoss
from torch.nn import functional

from shared.errors import InputError
from shared.losses import (
    CLoELoss,
    ContrastiveRepresentationLoss,
    ExpertSupervisionLoss,
    FuzzyAuxiliaryLoss,
    LearnedUncertainties,
    ModalityExpertConsistencyLoss,
    ParetoFuzzyLoss,
    RegionExpertConsistencyLoss,
    WeightedCrossEntropyDiceLoss,
)
from shared.networks import CLoE, DCSeg, RFNet

SIZE = (16, 16, 16)


def batch(modalities=3, classes=3):
    random = torch.Generator().manual_seed(0)
    image = torch.randn(2, modalities, *SIZE, generator=random)
    label = torch.randint(0, classes, (2, 1, *SIZE), generator=random)
    return image, {"label": label, "image": image}


def make(kind=CLoE, **options):
    torch.manual_seed(0)
    network = kind(in_channels=3, out_channels=3, features=2, **options)
    if getattr(network, "gate", None) is not None:
        torch.nn.init.normal_(network.gate.perceptron[2].weight)
    return network


KEEP = torch.tensor([[True, True, True], [True, False, True]])
BRANCHES = ["content", "style", "images"]


def test_classes_without_weights_in_the_loss_of_fusion_and_experts():
    (image, target), network = batch(), make()
    output, label = network(image, KEEP), target["label"]
    loss = CLoELoss(weighted_classes=False, modality_consistency=0, region_consistency=0, region_weight=0)
    plain = ExpertSupervisionLoss(WeightedCrossEntropyDiceLoss(weighted=False, batch=False))
    expected = WeightedCrossEntropyDiceLoss(weighted=False)(output["pred"], label)
    expected = expected + plain(output["experts"], label, output["available"])
    torch.testing.assert_close(loss(output, target), expected)


def test_is_the_printed_sum():
    """Eqs. 8, 9 and 11 from the single losses, and the supervision of the region map."""
    (image, target), network = batch(), make(branches=BRANCHES)
    contrastive = ContrastiveRepresentationLoss(window_size=3)
    output, label = network(image, KEEP), target["label"]
    experts, available = output["experts"], output["available"]
    learning = ExpertSupervisionLoss()(experts, label, available)
    modality = ModalityExpertConsistencyLoss()(experts, available)
    region = RegionExpertConsistencyLoss()(experts, available, output["region"])
    foreground = DiceCELoss(sigmoid=True)(output["region"], (label > 0).float())
    fused = WeightedCrossEntropyDiceLoss()(output["pred"], label)
    expected = 0.5 * fused + 2 * (learning + 0.3 * (0.7 * modality + 1.5 * region)) + 0.6 * foreground
    expected = expected + 0.8 * contrastive(output, target)
    loss = CLoELoss(
        expert_weight=2.0,
        consistency_weight=0.3,
        modality_consistency=0.7,
        region_consistency=1.5,
        region_weight=0.6,
        contrastive_loss=contrastive,
        contrastive_weight=0.8,
        fused_weight=0.5,
    )
    torch.testing.assert_close(loss(output, target), expected)
    terms = loss.terms(output, target)
    parts = {"fused": fused, "experts": learning, "modality_consistency": modality, "region_consistency": region}
    for name, value in {**parts, "region": foreground, "total": expected}.items():
        torch.testing.assert_close(terms[name], value)
    inside = output["region"].sigmoid()[label > 0].mean()
    torch.testing.assert_close(terms["region_inside"], inside)
    torch.testing.assert_close(terms["weight_1"], output["weights"][0, 1])
    assert terms["consistency_weight"].item() == pytest.approx(0.3)
    assert all(value.ndim == 0 for value in terms.values())


def test_a_log_sees_the_terms_of_the_training_s_own_forward_pass():
    (image, target), network, loss, seen = batch(), make(), CLoELoss(), []
    loss.total.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0]))
    output = network(image, KEEP)
    value = loss(output, target)
    assert torch.equal(seen[0]["total"], value)
    assert seen[0].keys() == loss.terms(output, target).keys()


def test_foreground_loss_is_cross_entropy_and_dice_of_a_sigmoid():
    """MONAI's loss against the formula, since it treats one channel in a way of its own."""
    logits, label = torch.randn(2, 1, 4, 4, 4), torch.randint(0, 3, (2, 1, 4, 4, 4))
    y, p = (label > 0).float(), logits.sigmoid()
    dice = 1 - (2 * (p * y).flatten(1).sum(1) + 1e-5) / (p.flatten(1).sum(1) + y.flatten(1).sum(1) + 1e-5)
    expected = functional.binary_cross_entropy(p, y) + dice.mean()
    torch.testing.assert_close(CLoELoss().foreground_loss(logits, y), expected)


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


@pytest.mark.parametrize("kind", [RFNet, DCSeg])
def test_rfnet_and_dcseg_are_trained_by_the_same_loss(kind):
    """RFNet's sum: fused, deep supervision and, unlike `CLoE`, the experts of all modalities that are present."""
    (image, target), network = batch(), make(kind)
    contrastive = ContrastiveRepresentationLoss(window_size=3, norm="mse") if kind is DCSeg else None
    loss = CLoELoss(
        modality_consistency=0,
        region_consistency=0,
        region_weight=0,
        deep_supervision_weight=1,
        contrastive_loss=contrastive,
    )
    output, label = network(image, KEEP), target["label"]
    plain = WeightedCrossEntropyDiceLoss()
    maps = [output["deep_supervision"][0]]
    for logits in output["deep_supervision"][1:]:
        p = functional.interpolate(logits.softmax(dim=1), SIZE, mode="trilinear", align_corners=True)
        maps.append(p.log())
    expected = plain(output["pred"], label) + sum(plain(logits, label) for logits in maps)
    expected = expected + ExpertSupervisionLoss()(output["experts"], label, torch.ones(2, 3) > 0)
    if kind is DCSeg:
        expected = expected + 0.4 * contrastive(output, target)
    torch.testing.assert_close(loss(output, target), expected)
    loss(output, target).backward()
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


def test_absent_modalities_have_no_influence():
    (image, target), network = batch(), make()
    output = network(image, KEEP)
    broken = {**output, "experts": output["experts"].clone()}
    broken["experts"][1, 1] = float("nan")
    assert torch.equal(CLoELoss()(broken, target), CLoELoss()(output, target))


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


def test_fuzzy_labels_act_on_the_fused_output_alone():
    """With lambda = 0 the value is that without them to the last bit."""
    (image, target), network = batch(), make()
    output, label = network(image, KEEP), target["label"]
    fuzzy = ParetoFuzzyLoss(WeightedCrossEntropyDiceLoss(), FuzzyAuxiliaryLoss(), fuzzy_weight=0.0)
    plain, loss = CLoELoss(), CLoELoss(fused_loss=fuzzy)
    assert loss(output, target) == plain(output, target)
    loss.fused_loss.set_fuzzy_weight(0.3)
    added = loss(output, target) - plain(output, target)
    fuzzy = ParetoFuzzyLoss(WeightedCrossEntropyDiceLoss(), FuzzyAuxiliaryLoss()).terms(output["pred"], label)["fuzzy"]
    torch.testing.assert_close(added, 0.3 * fuzzy, atol=1e-4, rtol=1e-4)
    assert {"base", "fuzzy", "rho_1", "fuzzy_weight"} <= loss.terms(output, target).keys()


def test_learned_uncertainties_weight_the_terms_that_they_name():
    (image, target), network = batch(), make()
    output = network(image, KEEP)
    loss = CLoELoss(expert_weight=2.0, uncertainties=LearnedUncertainties(["experts", "region"]))
    plain = CLoELoss(expert_weight=2.0).terms(output, target)
    torch.nn.init.constant_(loss.uncertainties.log_variances["experts"], 0.5)
    expected = plain["total"] + 2 * ((torch.tensor(-0.5).exp() - 1) * plain["experts"] + 0.5)
    torch.testing.assert_close(loss(output, target), expected)
    loss(output, target).backward()
    assert all(parameter.grad != 0 for parameter in loss.uncertainties.parameters())
