"""Training on painted brains and fine-tuning: one bundle is run, the others have the same overlays."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from ignite.engine import Events
from monai.bundle import ConfigParser
from tiny_bundle import BUNDLES, TinyBundle

from shared.phantoms import brain_painter, painted_brain
from shared.phantoms.mni_maps import AtlasMap, BrainMaps

BRAINS = [bundle for bundle in BUNDLES if bundle.name.startswith("brats")]
RUN = next(bundle for bundle in BRAINS if "mmformer" in bundle.name)
FEW = {"painted_per_epoch": 2, "painted_validation_cases": 1, "painted_test_cases": 1}


def read(bundle, name):
    return json.loads((bundle / "configs" / f"{name}.json").read_text())


def ball_maps(fine=False):
    """An atlas of one ellipsoid, which costs nothing to load; tests/phantoms has the real one."""
    x, y, z = np.meshgrid(*[np.arange(-96.0, 97.0, 8.0)] * 3, indexing="ij")
    radius = np.sqrt((x / 66) ** 2 + (y / 80) ** 2 + (z / 66) ** 2).astype(np.float32)
    brain, shell = (radius < 1).astype(np.float32), ((radius < 1) & (radius > 0.75)).astype(np.float32)
    tissue = np.stack([shell, brain - shell, brain])
    distance = np.stack([66 * (1 - radius), 66 * radius - 8, 0 * radius])
    first = np.full(3, -96.0)
    return BrainMaps(AtlasMap(tissue, 8.0, first), AtlasMap(distance, 8.0, first), np.zeros(3))


@pytest.fixture(scope="module", autouse=True)
def small_atlas():
    maps = ball_maps()
    with pytest.MonkeyPatch.context() as patch:
        for module in (brain_painter, painted_brain):
            patch.setattr(module, "load_brain_maps", lambda fine=False: maps)
        yield


class Stop(Exception):
    """Stands for a kill signal."""


def stop(engine):
    raise Stop


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    bundle = TinyBundle(RUN, Path(""), tmp_path_factory.mktemp("painted") / "whole")
    bundle.run("train", "pretrain", dataset_dir="", **FEW)
    yield bundle
    torch.set_num_threads(threads)


def weights(folder, name="model.pt"):
    return torch.load(folder / name, weights_only=True)


def without_incomplete_training(overlay):
    """Bundles of one modality have no `missing_rates`."""
    kept = {key: value for key, value in overlay.items() if key != "training_cases::cases"}
    return kept | {"train::dataset": {**overlay["train::dataset"], "data": None}}


@pytest.mark.parametrize("bundle", BRAINS, ids=lambda path: path.name)
def test_brain_bundles_have_the_same_overlays(bundle):
    pretrain, of_run = (without_incomplete_training(read(b, "pretrain")) for b in (bundle, RUN))
    assert pretrain == of_run
    train, finetune = read(bundle, "train"), read(bundle, "finetune")
    same = {"learning_rate": None, "warm_up_epochs": 0}
    own, tried = (overlay | same for overlay in (finetune, read(RUN, "finetune")))
    assert own == tried
    assert finetune["learning_rate"] == train["learning_rate"] / 2
    assert ("warm_up_epochs" in finetune) == ("warm_up_epochs" in train), "a trained fused output counts from the start"


@pytest.mark.parametrize("bundle", BRAINS, ids=lambda path: path.name)
def test_the_parts_that_the_overlay_replaces_keep_their_arguments(bundle):
    train, overlay = read(bundle, "train"), read(bundle, "pretrain")
    for name, part in (
        ("cases", train["cases"]),
        ("splits", train["splits"]),
        ("train::dataset", train["train"]["dataset"]),
    ):
        kept = {key: value for key, value in part.items() if key != "_target_"}
        assert kept.items() <= overlay[name].items(), name


@pytest.mark.parametrize("bundle", BRAINS, ids=lambda path: path.name)
def test_the_painter_has_the_bundles_grid_and_modalities(bundle):
    parser = ConfigParser()
    parser.read_config([bundle / "configs" / f"{name}.json" for name in ("train", "pretrain")])
    parser["spacing_mm"], parser["label_convention"] = [8.0, 8.0, 8.0], "msd"
    painter = parser.get_parsed_content("painter")
    assert painter.modalities == parser["modalities"]
    assert painter.label_values.tolist() == [0, 2, 1, 3]
    assert painter.spacing_mm == [8.0, 8.0, 8.0]


def test_a_training_on_painted_brains_needs_no_folder_and_resumes_bit_for_bit(pretrained, tmp_path):
    options = {"dataset_dir": "", "output_dir": str(tmp_path), "ckpt_dir": str(tmp_path), **FEW}
    workflow = pretrained.workflow("train", "pretrain", **options)
    workflow.trainer.add_event_handler(Events.EPOCH_STARTED(once=2), stop)
    with pytest.raises(RuntimeError, match="Failed to evaluate"):
        workflow.run()
    pretrained.run("train", "pretrain", "resume", **options)
    expected, resumed = (weights(folder, "model_last.pt") for folder in (pretrained.out / "models", tmp_path))
    assert all(torch.equal(value, resumed[name]) for name, value in expected.items())


def test_weights_from_painted_brains_are_scored_on_painted_test_cases(pretrained, tmp_path):
    options = {"dataset_dir": "", "output_dir": str(tmp_path), **FEW}
    pretrained.run("train", "pretrain", "evaluate", **options)
    assert "Painted_test_000" in (tmp_path / "evaluation.csv").read_text()


def test_finetuning_starts_from_the_given_weights(pretrained, tmp_path):
    """At a learning rate of nothing the weights stay what they were; without the overlay they do not."""
    options = {"dataset_dir": "", "output_dir": str(tmp_path), "ckpt_dir": str(tmp_path), **FEW}
    start = str(pretrained.out / "models" / "model.pt")
    still = {"learning_rate": 1e-12, "rho_learning_rate": 0.0, "max_epochs": 1, "val_interval": 2}
    pretrained.run("train", "pretrain", "finetune", init_path=start, **options, **still)
    before, after = weights(pretrained.out / "models"), weights(tmp_path, "model_last.pt")
    for name, value in before.items():
        np.testing.assert_allclose(after[name].float(), value.float(), atol=1e-6, err_msg=name)
