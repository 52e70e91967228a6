"""Training on cases that lack modalities: what reaches the training, and no NaN in any loss or gradient."""

from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser

from shared.transforms import fuzzy_membership, onehot_label

CONFIGS = sorted(
    path.parent for path in Path("bundles").glob("*/configs/train.json") if "missing_rates" in path.read_text()
)
NETWORKS = [
    (configs, None) for configs in CONFIGS if "swinunetr" not in configs.parent.name
] + [  # as network_segresnet
    (configs, path.stem) for configs in CONFIGS for path in sorted(configs.glob("network_*.json"))
]


def parser_of(configs, *names):
    parser = ConfigParser()
    parser.read_config([str(configs / f"{name}.json") for name in names])
    return parser


def test_bundles_with_several_modalities_were_found():
    assert [configs.parent.name for configs in CONFIGS] == [
        "brats_mri_segmentation_expert_consistency",
        "brats_mri_segmentation_pareto_mmformer",
        "brats_mri_segmentation_pareto_swinunetr",
        "prostate_mri_segmentation_expert_consistency",
    ]


@pytest.mark.parametrize("configs", CONFIGS, ids=lambda configs: configs.parent.name)
def test_training_cases_lack_modalities_and_those_of_validation_and_test_do_not(configs):
    parser = parser_of(configs, "train", "evaluate")
    first, second, *_ = names = parser["modalities"]
    complete = {name: f"{name}.nii.gz" for name in names}
    parser["splits"] = {
        part: [{"case": f"{part}{i}", **complete} for i in range(60)] for part in ("train", "validation")
    }
    parser["splits"]["test"] = parser["splits"]["validation"]
    parser["missing_rates"] = {first: 0.5, second: 0.25}
    found = parser.get_parsed_content("train::dataset::data")
    assert 20 < sum(first not in case for case in found) < 40
    assert 5 < sum(second not in case for case in found) < 25
    assert parser.get_parsed_content("validate::dataset::data") == parser["splits"]["test"]


@pytest.mark.parametrize(
    ("configs", "overlay"), NETWORKS, ids=lambda part: getattr(part, "parent", Path(str(part))).name
)
def test_absent_modalities_reach_no_loss_and_no_gradient(configs, overlay):
    """The first modality is absent in all samples, the second sample has the last alone, `keep` hides one more.

    What is in an absent channel next to its NaN changes no bit of the loss.
    """
    parser = parser_of(configs, "train", *([overlay] if overlay else []), "tiny")
    torch.manual_seed(0)
    network, loss = (parser.get_parsed_content(name) for name in ("network_def", "loss"))
    modalities, size = len(parser["modalities"]), parser.get_parsed_content("patch_size")
    image = torch.randn(2, modalities, *size)
    absent = torch.zeros(2, modalities, dtype=torch.bool)
    absent[:, 0] = absent[1, :-1] = True
    keep = torch.ones(2, modalities, dtype=torch.bool)
    keep[0, 1] = modalities == 2
    label = torch.randint(0, parser["num_classes"], (2, 1, *size))
    target = {"label": label, "memberships": fuzzy_membership(onehot_label(label, parser["num_classes"]))}
    losses = []
    for content in (torch.nan, 1e6):
        image[absent] = content
        image[(*absent.nonzero(as_tuple=True), 0, 0, 0)] = torch.nan
        torch.manual_seed(1)  # of dropout
        with torch.set_grad_enabled(content != content):
            losses.append(loss(network.train()(image, keep), {"image": image, **target}))
    assert losses[0].isfinite()
    assert torch.equal(*losses)
    losses[0].backward()
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    assert gradients
    assert [name for name, gradient in gradients.items() if not gradient.isfinite().all()] == []
    if hasattr(network, "encoders"):
        assert not [name for name in gradients if name.startswith("encoders.by_modality.0.")]
        assert [name for name in gradients if name.startswith(f"encoders.by_modality.{modalities - 1}.")]
