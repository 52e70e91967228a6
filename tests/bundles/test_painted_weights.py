"""Weights from painted brains, included in a bundle: inference and fine-tuning use them until the user has trained."""

import json
import shutil

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow
from tiny_bundle import BUNDLES

from ci.release.ship_weights import write_half
from shared.errors import InputError
from shared.handlers import with_model_settings
from shared.inferers import Segmenter

BRAINS = [bundle for bundle in BUNDLES if bundle.name.startswith("brats")]
TRIED = next(bundle for bundle in BRAINS if "mmformer" in bundle.name)
INCLUDED = [bundle for bundle in BUNDLES if (bundle / "configs" / "painted_sizes.json").is_file()]
SMALL = {"spacing_mm": [7.0, 7.0, 7.0], "patch_size": [32, 32, 32], "features": 1, "hidden_size": 8, "mlp_dim": 16}
FILES = ("painted_sizes", "train", "inference")
WORDS = "painted brains alone, no patients"


def steps_that_choose(bundle, name):
    """The steps of a configuration's "initialize" that choose weights, of whichever form its key has."""
    config = json.loads((bundle / "configs" / f"{name}.json").read_text())
    steps = config.get("initialize", []) + config.get("+initialize", [])
    return [step for step in steps if isinstance(step, dict) and step["_target_"].endswith("use_included_weights")]


@pytest.mark.parametrize("name", ["inference", "multi_gpu_inference", "finetune"])
def test_brain_bundles_choose_alike_and_other_bundles_do_not(name):
    (step,) = steps_that_choose(TRIED, name)
    files = [bundle for bundle in BUNDLES if (bundle / "configs" / f"{name}.json").is_file()]
    assert {bundle for bundle in files if steps_that_choose(bundle, name) == [step]} == set(BRAINS)
    assert not [bundle for bundle in set(files) - set(BRAINS) if steps_that_choose(bundle, name)]


@pytest.mark.parametrize("bundle", INCLUDED, ids=lambda bundle: bundle.name)
def test_inference_and_training_share_the_sizes(bundle):
    """Every size is a setting of both files, equal in both, so that it can be left out or be given to either.

    CLoE's weights have no branches for the contrastive loss, so that their training leaves it out.
    """
    sizes, train, inference = (json.loads((bundle / "configs" / f"{name}.json").read_text()) for name in FILES)
    names = {name for name in sizes if not name.startswith("_")}
    assert names - set(inference) == ({"contrastive_loss"} if "branches" in names else set())
    assert names <= set(train)
    assert all(train[name] == inference[name] for name in names & set(inference))


def test_the_sizes_of_the_tests_are_those_of_the_included_weights():
    sizes = json.loads((TRIED / "configs" / "painted_sizes.json").read_text())
    assert {name for name in sizes if not name.startswith("_")} == set(SMALL)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A copy with random weights at a small size; the tests that train it clean up."""
    copy = tmp_path_factory.mktemp("included") / TRIED.name
    shutil.copytree(TRIED, copy, ignore=shutil.ignore_patterns("models", "eval", "docs"))
    (copy / "configs" / "painted_sizes.json").write_text(json.dumps(SMALL))
    parser = ConfigParser(ConfigParser.load_config_files([str(copy / "configs" / "inference.json")]))
    parser.update(SMALL)
    torch.manual_seed(0)
    weights = parser.get_parsed_content("network_def").state_dict()
    settings = parser.get_parsed_content("model_settings")
    write_half(with_model_settings(weights, settings), copy / "models" / "painted.pt", WORDS)
    return copy


@pytest.fixture
def trained(bundle):
    """The same with weights of a training of the user's own, at another size."""
    parser = ConfigParser(ConfigParser.load_config_files([str(bundle / "configs" / "inference.json")]))
    parser.update({**SMALL, "features": 2})
    torch.save(parser.get_parsed_content("network_def").state_dict(), bundle / "models" / "model.pt")
    yield bundle
    (bundle / "models" / "model.pt").unlink()


def case():
    radius = np.linalg.norm(np.indices((12, 14, 12)) - 6.0, axis=0)
    return np.where(radius < 5, 100 + radius, 0), np.diag([12.0, 12.0, 12.0, 1.0])


def test_the_record_names_the_included_weights_their_data_and_their_sizes(bundle):
    segmenter = Segmenter(bundle, device="cpu")
    record = segmenter(flair=case()).record
    assert record["weights"]["file"].endswith("models/painted.pt")
    assert record["weights"]["trained_on"] == WORDS
    assert record["weights"]["settings"]["spacing_mm"] == SMALL["spacing_mm"] == record["settings"]["spacing_mm"]
    assert record["settings"]["patch_size"] == SMALL["patch_size"]
    saved = torch.load(bundle / "models" / "painted.pt", weights_only=True)
    kernels = [name for name, value in saved.items() if value.dtype == torch.float16]
    own = segmenter.network.state_dict()
    assert len(kernels) > 100
    assert all(own[name].dtype == torch.float32 and torch.equal(own[name], saved[name].float()) for name in kernels)


def test_other_sizes_and_modalities_are_refused_in_one_line(bundle):
    with pytest.raises(InputError, match=r"^--features: expected 1 for the included weights .*painted.pt, got 8;"):
        Segmenter(bundle, device="cpu", features=8)
    with pytest.raises(InputError, match=r"painted.pt: trained with modalities = .* set --modalities as in the train"):
        Segmenter(bundle, device="cpu", modalities=["flair", "t1ce"])
    for overlay, file in (("network_segresnet", "models/segresnet/model.pt"), ("inference_tiny", "models/model.pt")):
        with pytest.raises(InputError, match=f"{file}: no such checkpoint; train first, or name one with --ckpt_path"):
            Segmenter(bundle, device="cpu", overlays=[overlay])


def test_a_training_of_the_users_own_comes_first(trained):
    segmenter = Segmenter(trained, device="cpu", **{**SMALL, "features": 2})
    assert json.loads(segmenter.loader.note)["file"].endswith("models/model.pt")
    assert "trained_on" not in segmenter.loader.note
    named = Segmenter(trained, weights=trained / "models" / "painted.pt", device="cpu")
    assert json.loads(named.loader.note)["trained_on"] == WORDS


def finetuning(bundle, *overlays):
    files = [str(bundle / "configs" / f"{name}.json") for name in ("train", *overlays, "finetune")]
    workflow = ConfigWorkflow(files, logging_file=False, workflow_type="train", bundle_root=str(bundle))
    workflow.initialize()
    return workflow.parser


def test_fine_tuning_starts_from_the_included_weights_unless_the_user_has_trained_some(bundle):
    parser = finetuning(bundle)
    assert parser.get_parsed_content("init_path").endswith("models/painted.pt")
    assert {name: parser[name] for name in SMALL} == SMALL
    parser["splits"] = {"train": [], "validation": [], "test": []}  # there is no data
    start = parser.get()["train"]["handlers"][-1]
    assert start["_target_"] == "shared.handlers.InitialWeights"
    network = parser.get_parsed_content("network")
    parser.get_parsed_content(f"train::handlers::{len(parser['train::handlers']) - 1}")()
    saved = torch.load(bundle / "models" / "painted.pt", weights_only=True)
    assert all(torch.equal(value, saved[name].float()) for name, value in network.state_dict().items())
    own = bundle / "models" / "painted" / "model.pt"
    own.parent.mkdir()
    shutil.copy(bundle / "models" / "painted.pt", own)
    assert finetuning(bundle).get_parsed_content("init_path") == str(own)
    shutil.rmtree(own.parent)
