"""Overlays that bring another network with its own settings for training."""

from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser
from monai.losses import DiceCELoss
from small_networks import SMALL_NETWORKS

from shared.handlers import unknown_settings
from shared.handlers.find_weights import find_weights

BREAST = Path("bundles/breast_ultrasound_segmentation_interaction/configs")
GLAND = Path("bundles/colon_gland_segmentation_multiloss/configs")
MMFORMER = Path("bundles/brats_mri_segmentation_pareto_mmformer/configs")
MILLION_PARAMETERS = {  # of the papers or their programs; MISSFormer without what has no effect
    "network_transunet": 105.3,
    "network_swin_unet": 27.2,
    "network_missformer": 35.4,
    "network_mtan": 40.0,
    "network_mtanet": 29.7,
    "network_shaspec": 187.1,
}
OVERLAYS = sorted(Path("bundles").glob("*/configs/network_*.json"))


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.stem)
def test_what_training_alone_reads_does_not_stop_inference(overlay):
    files = [overlay.with_name("inference.json"), overlay]
    config = ConfigParser.load_config_files([str(path) for path in files])
    assert unknown_settings(config, others=[ConfigParser.load_config_file(path) for path in files]) == []


@pytest.mark.parametrize("overlay", [None, *(path.stem for path in OVERLAYS if path.parent == MMFORMER)])
def test_network_and_loss_of_an_overlay_fit(overlay):
    """One step of training, of a small network, on a mixed batch; every parameter gets a gradient."""
    torch.manual_seed(0)
    parser = ConfigParser()
    names = ["train", *([overlay] if overlay else []), "tiny"]
    parser.read_config([str(MMFORMER / f"{name}.json") for name in names])
    parser.update(SMALL_NETWORKS.get(overlay, {}))
    network, loss = (parser.get_parsed_content(name) for name in ("network_def", "loss"))
    image = torch.randn(2, 4, 32, 32, 32)
    image[1, :2] = float("nan")
    label = torch.randint(0, 4, (2, 1, 32, 32, 32))
    batch = {"image": image, "label": label, "memberships": torch.full((2, 4, 32, 32, 32), 0.25)}
    target = {key: batch[key] for key in parser.get_parsed_content("target_keys")}
    prediction = network.train()(image, torch.tensor([[True, True, False, True], [True, True, True, False]]))
    value = loss(prediction, target)
    value.backward()
    torch.testing.assert_close(loss.terms(prediction, target)["total"], value)
    assert not [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert all(torch.isfinite(parameter.grad).all() for parameter in network.parameters())


@pytest.mark.parametrize("overlay", [path for path in OVERLAYS if path.stem == "network_shaspec"])
def test_encoders_that_join_later_take_the_step_of_the_others(overlay):
    """PyTorch's fused SGD refuses parameters of which some have a momentum already and some do not."""
    torch.manual_seed(0)
    parser = ConfigParser()
    parser.read_config([str(overlay.with_name(f"{name}.json")) for name in ("train", overlay.stem, "tiny")])
    parser.update(SMALL_NETWORKS[overlay.stem])
    network, optimizer = (parser.get_parsed_content(name) for name in ("network", "optimizer"))
    late = {name: p.clone() for name, p in network.named_parameters() if name.startswith("encoders.by_modality.1.")}
    assert late
    for available in ([True, False, False, False], [True, True, False, False]):
        optimizer.zero_grad()
        network.train()(torch.randn(1, 4, 32, 32, 32), torch.tensor([available]))["pred"].square().mean().backward()
        optimizer.step()
    assert not all(torch.equal(p, late[name]) for name, p in network.named_parameters() if name in late)


@pytest.mark.parametrize("overlay", [path for path in OVERLAYS if path.stem in MILLION_PARAMETERS], ids=str)
def test_sizes_of_an_overlay_are_the_published_ones(overlay):
    parser = ConfigParser()
    parser.read_config([str(overlay.with_name("train.json")), str(overlay)])
    with torch.device("meta"):
        network = parser.get_parsed_content("network_def")
    found = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    assert found == pytest.approx(MILLION_PARAMETERS[overlay.stem], rel=0.002)


@pytest.mark.parametrize("overlay", ["network_transunet", "network_swin_unet", "network_missformer"])
def test_network_with_a_class_head_learns_mask_and_class(overlay):
    """One step of training of a small network; every parameter gets a gradient, also from the class alone."""
    torch.manual_seed(0)
    parser = ConfigParser()
    parser.read_config([str(BREAST / f"{name}.json") for name in ("train", overlay, "tiny")])
    for key, value in SMALL_NETWORKS[overlay].items():
        assert key in parser, "no setting of the overlay"
        parser[key] = value
    network, loss = (parser.get_parsed_content(name) for name in ("network_def", "loss"))
    target = {"label": torch.ones(2, 1, 64, 64), "class": torch.tensor([0, 2])}
    prediction = network.train()(torch.randn(2, 3, 64, 64))
    terms = loss.terms(prediction, target)
    terms["class"].backward(retain_graph=True)
    assert next(network.network.parameters()).grad.any()
    loss(prediction, target).backward()
    assert not [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert all(torch.isfinite(parameter.grad).all() for parameter in network.parameters())
    assert network.eval()(torch.randn(1, 3, 64, 96)).shape == (1, 4, 64, 96)


def test_plain_network_of_glands_learns_exclusive_labels_by_dice_and_cross_entropy():
    """One step of a small network; the loss by hand, whose smoothing of Dice is below the tolerance."""
    torch.manual_seed(0)
    parser = ConfigParser()
    parser.read_config([str(GLAND / f"{name}.json") for name in ("train", "network_basic_unet", "tiny")])
    assert torch.equal(parser.get_parsed_content("label_states"), torch.eye(4)), "logits of labels are those of states"
    network, loss = (parser.get_parsed_content(name) for name in ("network_def", "loss"))
    label, grade = torch.randint(0, 4, (2, 1, 48, 64), dtype=torch.int8), torch.tensor([0, 1])
    prediction = network.train()(torch.rand(2, 3, 48, 64))
    value = loss(prediction, {"label": label, "grade": grade})
    log_probability = prediction["pred"].log_softmax(dim=1)
    probability, onehot = log_probability.exp(), torch.eye(4)[label[:, 0].long()].movedim(-1, 1)
    volumes = probability.sum((0, 2, 3)) + onehot.sum((0, 2, 3))
    weights = torch.tensor([1.0, 1.0, 1.0, 3.0])  # the last is contour
    dice = weights * (1 - 2 * (probability * onehot).sum((0, 2, 3)) / volumes)
    of_pixels = (weights.view(4, 1, 1) * onehot).sum(1)
    entropy = -(of_pixels * (log_probability * onehot).sum(1)).sum() / of_pixels.sum()
    of_class = -prediction["class_logits"].log_softmax(dim=1)[[0, 1], grade].mean()
    torch.testing.assert_close(value, dice.mean() + entropy + 0.1 * of_class)
    value.backward()
    assert not [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert all(torch.isfinite(parameter.grad).all() for parameter in network.parameters())


def test_pretraining_of_m3ae_leaves_weights_that_its_training_starts_from():
    """One step on a mixed batch; the learned image has a learning rate of its own."""
    torch.manual_seed(0)
    parser, fine = ConfigParser(), ConfigParser()
    parser.read_config([str(MMFORMER / f"{name}.json") for name in ("train", "network_m3ae", "pretrain_m3ae", "tiny")])
    fine.read_config([str(MMFORMER / f"{name}.json") for name in ("train", "network_m3ae", "tiny")])
    network, loss, optimizer = (parser.get_parsed_content(name) for name in ("network", "loss", "optimizer"))
    assert [group["lr"] for group in optimizer.param_groups] == [3e-4, 0.005]
    learned = network.network.learned_image.values
    assert [parameter is learned for parameter in optimizer.param_groups[1]["params"]] == [True]
    image = torch.randn(2, 4, 32, 32, 32)
    image[1, :2] = float("nan")
    loss(network.train()(image, torch.tensor([[True] * 4, [False, False, True, True]])), {"image": image}).backward()
    optimizer.step()
    assert learned.any()
    expected = fine.get_parsed_content("network_def")
    found = find_weights(network.state_dict(), expected.state_dict(), Path("model.pt"))
    expected.load_state_dict(found.weights)
    assert torch.equal(expected.learned_image.values, learned)
    assert found.left_out == ["restore.weight", "restore.bias"]


@pytest.mark.parametrize(("overlay", "masks"), [("network_mtanet", 3), ("network_mtl_oca", 1)])
def test_side_outputs_are_trained_like_masks(overlay, masks):
    torch.manual_seed(0)
    parser = ConfigParser()
    parser.read_config([str(BREAST / f"{name}.json") for name in ("train", "paper", overlay, "side_outputs")])
    parser.update(SMALL_NETWORKS[overlay] | {"side_weight": 0.4})
    network, loss = (parser.get_parsed_content(name) for name in ("network_def", "loss"))
    target = {"label": torch.randint(0, 2, (2, 1, 32, 32)), "class": torch.tensor([0, 2])}
    prediction = network(torch.randn(2, 3, 32, 32))
    terms = loss.terms(prediction, target)
    assert len(prediction["side_outputs"]) == masks
    one = DiceCELoss(sigmoid=True, smooth_nr=1.0, smooth_dr=1.0)
    torch.testing.assert_close(terms["side"], sum(one(mask, target["label"]) for mask in prediction["side_outputs"]))
    assert terms["weight_side"].item() == pytest.approx(0.4 * 0.8)  # of the weight of the mask
    terms["total"].backward()
    assert not [name for name, parameter in network.named_parameters() if parameter.grad is None]


def test_the_published_settings_are_read():
    parser = ConfigParser()
    parser.read_config([str(MMFORMER / f"{name}.json") for name in ("train", "network_rfnet")])
    parser["features"] = 2
    optimizer = parser.get_parsed_content("optimizer")
    assert optimizer.defaults["lr"] == 2e-4
    assert optimizer.defaults["weight_decay"] == 1e-4
    assert optimizer.defaults["amsgrad"]
    scheduler = parser.get_parsed_content("lr_scheduler")
    assert scheduler.power == 0.9
    assert scheduler.total_iters == 300
