"""Overlays that put one method's loss on another method's network."""

import pytest
import torch
from ignite.engine import Events
from monai.bundle import ConfigParser
from tiny_bundle import BUNDLES, tried_on

CLOE = next(bundle for bundle in BUNDLES if bundle.name == "brats_mri_segmentation_expert_consistency")
BREAST, GLAND = (next(bundle for bundle in BUNDLES if word in bundle.name) for word in ("breast", "colon"))
MIXED = [
    (CLOE, ["fuzzy_labels"], {"fused_loss.fuzzy_loss.raw_rho_1", "fused_loss.fuzzy_loss.raw_rho_2"}),
    (CLOE, ["learned_weights"], {f"uncertainties.log_variances.{name}" for name in ("fused", "experts", "region")}),
    (BREAST, ["fuzzy_labels"], {"losses.fuzzy.fuzzy_loss.raw_rho_1", "losses.fuzzy.fuzzy_loss.raw_rho_2"}),
    (BREAST, ["learned_weights"], {"log_variances.mask", "log_variances.class"}),
    (GLAND, ["equal", "fuzzy_labels"], {"losses.fuzzy.fuzzy_loss.raw_rho_1", "losses.fuzzy.fuzzy_loss.raw_rho_2"}),
]


@pytest.mark.parametrize(("bundle", "overlays", "learned"), MIXED, ids=lambda value: getattr(value, "name", None))
def test_what_the_loss_learns_is_in_the_optimiser_without_weight_decay(bundle, overlays, learned):
    parser = ConfigParser()
    parser.read_config([str(bundle / "configs" / f"{name}.json") for name in ("train", *overlays, "tiny")])
    optimizer, loss = parser.get_parsed_content("optimizer"), parser.get_parsed_content("loss")
    assert {name for name, _ in loss.named_parameters()} == learned
    (group,) = [group for group in optimizer.param_groups if {*group["params"]} & {*loss.parameters()}]
    assert {*group["params"]} == {*loss.parameters()}
    assert group["weight_decay"] == 0
    network = {*parser.get_parsed_content("network").parameters()}
    assert {p for group in optimizer.param_groups for p in group["params"]} - {*loss.parameters()} == network


@pytest.mark.parametrize("overlays", [["learned_weights", "fuzzy_labels"], ["fuzzy_labels", "learned_weights"]])
def test_both_overlays_of_a_bundle_go_together_in_any_order(overlays):
    parser = ConfigParser()
    parser.read_config([str(BREAST / "configs" / f"{name}.json") for name in ("train", *overlays, "tiny")])
    loss = parser.get_parsed_content("loss")
    assert set(loss.log_variances) == {"mask", "class"}
    assert loss.fixed_weights == {"fuzzy": 1.0}
    assert loss.losses["fuzzy"] is parser.get_parsed_content("fuzzy_loss")


class Stop(Exception):
    """Stands for a kill signal."""


def stop(engine):
    raise Stop


@tried_on("colon")
def test_a_resumed_training_ends_as_an_unbroken_one_and_its_weight_has_decayed(painted, tmp_path):
    folders = [{"output_dir": str(tmp_path / name), "ckpt_dir": str(tmp_path / name)} for name in ("whole", "resumed")]
    painted.run("train", "fuzzy_labels", **folders[0])
    workflow = painted.workflow("train", "fuzzy_labels", **folders[1])
    workflow.trainer.add_event_handler(Events.EPOCH_STARTED(once=2), stop)
    with pytest.raises(RuntimeError, match="Failed to evaluate"):
        workflow.run()
    painted.run("train", "fuzzy_labels", "resume", **folders[1])
    files = [tmp_path / name / "checkpoint.pt" for name in ("whole", "resumed")]
    ends = [torch.load(file, weights_only=True)["objects"] for file in files]
    for part in ("network", "loss"):
        for key, value in ends[0][part].items():
            assert torch.equal(value, ends[1][part][key]), (part, key)
    assert ends[0]["loss"]["losses.fuzzy.fuzzy_weight"].item() == pytest.approx(0.1)  # of exponential decay, at its end
