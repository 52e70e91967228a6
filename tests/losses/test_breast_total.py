import pytest
import torch
from monai.bundle import ConfigParser

from shared.losses import (
    BoundaryCurvatureLoss,
    FocalCrossEntropyLoss,
    FocalTverskyLoss,
    TextureLoss,
    UncertaintyWeightedLoss,
)

WEIGHTS = {"focal_tversky": 0.80, "boundary": 0.20, "texture": 0.12, "class": 0.20}


def test_fixed_weights_give_the_papers_total():
    """0.80 (L_FT + 0.25 L_boundary + 0.15 L_texture) + 0.20 L_clf, Section 2.4."""
    losses = {
        "focal_tversky": FocalTverskyLoss(),
        "boundary": BoundaryCurvatureLoss(),
        "texture": TextureLoss(),
        "class": FocalCrossEntropyLoss(),
    }
    inputs = {name: ("pred", "label") for name in losses} | {"class": ("class_logits", "class")}
    total = UncertaintyWeightedLoss(losses, inputs, WEIGHTS)
    assert list(total.parameters()) == []  # nothing is learned
    generator = torch.Generator().manual_seed(0)
    prediction = {
        "pred": torch.randn(2, 1, 16, 16, generator=generator, requires_grad=True),
        "class_logits": torch.randn(2, 3, generator=generator, requires_grad=True),
    }
    label = torch.zeros(2, 1, 16, 16, dtype=torch.int8)
    label[0, 0, 4:9, 4:11] = 1
    target = {"label": label, "class": torch.tensor([2, 0])}
    of_mask = {
        name: losses[name](prediction["pred"], label).item() for name in ("focal_tversky", "boundary", "texture")
    }
    segmentation = of_mask["focal_tversky"] + 0.25 * of_mask["boundary"] + 0.15 * of_mask["texture"]
    classification = losses["class"](prediction["class_logits"], target["class"]).item()
    loss = total(prediction, target)
    assert loss.item() == pytest.approx(0.80 * segmentation + 0.20 * classification, rel=1e-6)
    loss.backward()
    assert all(part.grad.abs().max() > 0 for part in prediction.values())
    assert set(of_mask) <= set(total.terms(prediction, target))


def test_paper_json_has_these_weights():
    parser = ConfigParser()
    configs = "bundles/breast_ultrasound_segmentation_interaction/configs"
    parser.read_config([f"{configs}/train.json", f"{configs}/paper.json"])
    assert parser.get_parsed_content("loss::weights") == pytest.approx(WEIGHTS)
