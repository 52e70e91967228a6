"""The loss of CLoE is the printed sum: Eqs. 8, 9, 11."""

import pytest
import torch
from cloe_cases import BRANCHES, KEEP, SIZE, batch, make
from monai.losses import DiceCELoss
from torch.nn import functional

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
from shared.networks import DCSeg, RFNet


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


def test_classes_without_weights_in_the_loss_of_fusion_and_experts():
    (image, target), network = batch(), make()
    output, label = network(image, KEEP), target["label"]
    loss = CLoELoss(weighted_classes=False, modality_consistency=0, region_consistency=0, region_weight=0)
    plain = ExpertSupervisionLoss(WeightedCrossEntropyDiceLoss(weighted=False, batch=False))
    expected = WeightedCrossEntropyDiceLoss(weighted=False)(output["pred"], label)
    expected = expected + plain(output["experts"], label, output["available"])
    torch.testing.assert_close(loss(output, target), expected)


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


def test_absent_modalities_have_no_influence():
    (image, target), network = batch(), make()
    output = network(image, KEEP)
    broken = {**output, "experts": output["experts"].clone()}
    broken["experts"][1, 1] = float("nan")
    assert torch.equal(CLoELoss()(broken, target), CLoELoss()(output, target))
