import io

import pytest
import torch
from torch.nn import functional

from shared.errors import InputError
from shared.losses import (
    FuzzyAuxiliaryLoss,
    MissingModalityLoss,
    ModalityCompletionLoss,
    ParetoFuzzyLoss,
    RegionCurriculum,
    VoxelWeightedDiceCELoss,
    WeightedCrossEntropyDiceLoss,
)
from shared.networks import MMFormer
from shared.transforms import fuzzy_membership, onehot_label

CLASSES, MODALITIES, SIZE = 3, 2, (4, 4, 4)
BRANCHES = ["fused", "experts", "deep_supervision"]


def pareto(fuzzy_weight=1.0, **more):
    base_loss = more.pop("base_loss", WeightedCrossEntropyDiceLoss())
    return ParetoFuzzyLoss(base_loss, FuzzyAuxiliaryLoss(), fuzzy_weight, **more)


@pytest.fixture
def batch():
    """Prediction and target of two samples, the second of which lacks the second modality."""
    random = torch.Generator().manual_seed(0)
    label = torch.randint(0, CLASSES, (2, 1, *SIZE), generator=random)
    target = {"label": label, "memberships": fuzzy_membership(onehot_label(label, CLASSES))}
    prediction = {
        "pred": torch.randn(2, CLASSES, *SIZE, generator=random),
        "experts": torch.randn(2, MODALITIES, CLASSES, *SIZE, generator=random),
        "deep_supervision": [torch.randn(2, CLASSES, *(n // s for n in SIZE), generator=random) for s in (1, 2)],
        "present": torch.tensor([[True, True], [True, False]]),
        "available": torch.tensor([[False, True], [True, False]]),
    }
    return prediction, target


def first(target):
    return {key: value[:1] for key, value in target.items()}


def enlarged(logits):
    p = functional.interpolate(logits.softmax(dim=1), SIZE, mode="trilinear", align_corners=True)
    return p.log()


@pytest.mark.parametrize("branches", [[], ["fused"], ["experts"], ["deep_supervision"], BRANCHES])
def test_is_the_weighted_sum_of_all_branches_of_which_some_are_fuzzy(batch, branches):
    """By the words of the class; experts in the samples that have the modality, kept or not."""
    prediction, target = batch
    fuzzy, plain = pareto(), WeightedCrossEntropyDiceLoss()

    def branch(name, logits, target):
        return fuzzy(logits, target) if name in branches else plain(logits, target["label"])

    fused = branch("fused", prediction["pred"], target)
    experts = branch("experts", prediction["experts"][:, 0], target)
    experts += branch("experts", prediction["experts"][:1, 1], first(target))
    lower = branch("deep_supervision", prediction["deep_supervision"][0], target)
    lower += branch("deep_supervision", enlarged(prediction["deep_supervision"][1]), target)
    loss = MissingModalityLoss(pareto(), branches, expert_weight=0.5, deep_supervision_weight=0.25, fused_weight=2.0)
    torch.testing.assert_close(loss(prediction, target), 2 * fused + 0.5 * experts + 0.25 * lower)
    terms = loss.terms(prediction, target)
    expected = {"fused": fused, "experts": experts, "deep_supervision": lower, "total": loss(prediction, target)}
    torch.testing.assert_close({name: terms[name] for name in expected}, expected)


def test_an_expert_of_an_absent_modality_has_no_influence(batch):
    prediction, target = batch
    spoilt = {**prediction, "experts": prediction["experts"].clone()}
    spoilt["experts"][1, 1] = float("nan")
    loss = MissingModalityLoss(pareto(), BRANCHES)
    assert torch.equal(loss(spoilt, target), loss(prediction, target))


def test_branches_without_weight_need_not_be_predicted(batch):
    prediction, target = batch
    loss = MissingModalityLoss(pareto(), expert_weight=0.0, deep_supervision_weight=0.0)
    assert torch.equal(loss({"pred": prediction["pred"]}, target), pareto()(prediction["pred"], target))


def test_a_warm_up_leaves_the_fused_output_out_and_is_in_the_state_dict(batch):
    prediction, target = batch
    loss = MissingModalityLoss(pareto())
    whole = loss(prediction, target)
    loss.set_fused_weight(0.0)
    torch.testing.assert_close(whole - loss(prediction, target), loss.terms(prediction, target)["fused"])
    file = io.BytesIO()
    torch.save(loss.state_dict(), file)
    file.seek(0)
    resumed = MissingModalityLoss(pareto())
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(resumed(prediction, target), loss(prediction, target))


def test_the_curriculum_weighs_voxels_in_all_branches(batch):
    prediction, target = batch
    losses = [
        MissingModalityLoss(pareto(curriculum=RegionCurriculum(admitted_uncertainty=admitted), base_loss=base))
        for admitted, base in ((0.3, VoxelWeightedDiceCELoss()), (1.0, VoxelWeightedDiceCELoss()))
    ]
    early, late = (loss.terms(prediction, target) for loss in losses)
    assert all(early[name] != late[name] for name in BRANCHES)
    torch.testing.assert_close(early["total"], losses[0](prediction, target))


def test_every_parameter_of_a_network_gets_a_gradient_and_rho_too():
    torch.manual_seed(0)
    network = MMFormer(2, CLASSES, (32, 32, 32), features=2, hidden_size=4, mlp_dim=4, num_heads=2).train()
    loss = MissingModalityLoss(pareto())
    label = torch.randint(0, CLASSES, (1, 1, 32, 32, 32))
    target = {"label": label, "memberships": fuzzy_membership(onehot_label(label, CLASSES))}
    loss(network(torch.randn(1, 2, 32, 32, 32)), target).backward()
    without = [name for name, p in [*network.named_parameters(), *loss.named_parameters()] if p.grad is None]
    assert without == []


def test_float32_under_autocast(batch):
    prediction, target = batch
    loss = MissingModalityLoss(pareto())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss(prediction, target), loss(prediction, target).float())
        under_autocast = loss(prediction, target)
    assert torch.equal(under_autocast, loss(prediction, target))


def test_a_map_that_is_certain_and_wrong_stays_finite(batch):
    prediction, target = batch
    small = torch.zeros(2, CLASSES, 2, 2, 2)
    small[:, 0] = 1000.0
    small.requires_grad_()
    loss = MissingModalityLoss(pareto())({**prediction, "deep_supervision": [small]}, target)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(small.grad).all()


def test_completion_is_added(batch):
    prediction, target = batch
    gaussians = [torch.randn(2, MODALITIES, 1, 2, 2, 2) for _ in range(2)]
    prediction |= {"means": gaussians[:1], "log_variances": gaussians[1:], "images": torch.randn(2, MODALITIES, *SIZE)}
    target |= {"image": torch.randn(2, MODALITIES, *SIZE)}
    completion = ModalityCompletionLoss()
    without, with_it = (MissingModalityLoss(pareto(), completion_loss=c) for c in (None, completion))
    expected = without(prediction, target) + completion(prediction, target)
    torch.testing.assert_close(with_it(prediction, target), expected)
    terms = with_it.terms(prediction, target)
    assert {"latent_divergence", "image_error"} <= terms.keys()
    torch.testing.assert_close(terms["total"], expected)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"fuzzy_branches": "fused"}, "give a list of fused, experts, deep_supervision, not 'fused'"),
        ({"fuzzy_branches": ["expert"]}, "give a list of fused, experts, deep_supervision, not"),
        ({"expert_weight": -1}, "expert_weight must be at least 0 and finite, got -1"),
        ({"deep_supervision_weight": float("nan")}, "deep_supervision_weight must be at least 0 and finite, got nan"),
        ({"deep_supervision_weight": float("inf")}, "deep_supervision_weight must be at least 0 and finite, got inf"),
    ],
)
def test_settings_without_meaning_are_refused(arguments, words):
    with pytest.raises(InputError, match=words):
        MissingModalityLoss(pareto(), **arguments)


@pytest.mark.parametrize("weight", [-1, float("inf")])
def test_a_senseless_weight_of_the_fused_output_is_refused(weight):
    with pytest.raises(ValueError, match=f"fused_weight must be at least 0 and finite, got {weight}"):
        MissingModalityLoss(pareto()).set_fused_weight(weight)
