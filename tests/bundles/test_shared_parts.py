"""Every bundle has the parts that guard its runs, with the arguments of the bundle on which bad input is tried."""

import json

import pytest
from monai.bundle import ConfigParser
from tiny_bundle import BUNDLES

from shared.inferers.one_case import for_one_case

TRIED = next(bundle for bundle in BUNDLES if "vnet" in bundle.name)  # test_refused_commands.py and test_runs.py run it
BREAST = next(bundle for bundle in BUNDLES if "breast" in bundle.name)
PARTS = {
    "train": """initialize run model_settings::preprocessing train::dataset train::sampler train::dataloader
        validate::dataset validate::dataloader train::trainer validate::evaluator train::handlers::EpochSeed
        train::handlers::ValidationHandler train::handlers::TrainingLog train::handlers::TrainingCheckpoint""",
    "inference": """initialize run model_settings::preprocessing dataset dataloader checkpointloader handlers::0
        handlers::1 handlers::2 handlers::3 evaluator""",
    "evaluate": """run ckpt_path settings_may_differ validate::dataset validate::handlers::WeightsLoader
        validate::handlers::CaseProgress""",
    "resume": "resume",
    "multi_gpu_train": """device network loss_on_device train::sampler validate::dataset::data initialize finalize
        imports""",
    "multi_gpu_inference": "device dataset::hand_out initialize finalize imports",
}
OWN = {  # arguments that a bundle may have and another may lack or give otherwise
    "dataset": {"data", "longest_ending"},  # cases, with or without modalities
    "train::dataset": {"data"},  # cases that may lack modalities
    "handlers::1": {"inputs"},
    "network": {"find_unused_parameters"},
    "train::trainer": {"prepare_batch", "postprocessing", "key_train_metric", "optim_set_to_none"},
    "train::dataloader": {"drop_last"},
    "validate::evaluator": {"prepare_batch", "additional_metrics"},
    "train::handlers::TrainingCheckpoint": {"objects"},
    "validate::handlers::WeightsLoader": {"_disabled_"},  # where label maps from files can be scored
}


def part_of(bundle, file, place):
    """A part of a configuration, without the arguments that are a bundle's own; a handler is found by its class."""
    base = ["inference" if "inference" in file else "train"]
    parser = ConfigParser()
    parser.read_config([bundle / "configs" / f"{name}.json" for name in dict.fromkeys([*base, file])])
    group, _, handler = place.partition("handlers::")
    if handler and not handler.isdigit():
        (part,) = [item for item in parser[f"{group}handlers"] if item["_target_"].endswith(handler)]
    else:
        part = parser[place]
    if place == "initialize":  # only brain bundles choose weights: test_painted_weights.py
        part = [step for step in part if "use_included_weights" not in str(step)]
    return {key: part[key] for key in part.keys() - OWN.get(place, set())} if isinstance(part, dict) else part


@pytest.mark.parametrize("bundle", [bundle for bundle in BUNDLES if bundle != TRIED], ids=lambda path: path.name)
@pytest.mark.parametrize("file", PARTS)
def test_parts_are_those_of_the_bundle_that_is_tried(bundle, file):
    for place in PARTS[file].split():
        assert part_of(bundle, file, place) == part_of(TRIED, file, place), place


@pytest.mark.parametrize("bundle", [bundle for bundle in BUNDLES if "brats" in bundle.name], ids=lambda path: path.name)
def test_brains_are_scored_as_in_the_bundle_that_is_tried(bundle):
    """All but title and description is equal: metrics, and the columns' order, which is that of their buffers."""
    scored, expected = (json.loads((path / "configs" / "evaluate.json").read_text()) for path in (bundle, TRIED))
    for config in (scored, expected):
        config["validate::handlers"][-1].pop("title")
        config.pop("_desc_")
    assert scored == expected


@pytest.mark.parametrize(
    "bundle", [bundle for bundle in BUNDLES if "pareto" in bundle.name], ids=lambda path: path.name
)
def test_memory_is_given_back_before_further_volumes_are_made(bundle):
    """Documented by the benchmark `peak memory`; tests/ci/timing/test_inference_memory.py runs one of the bundles."""
    inference = json.loads((bundle / "configs" / "inference.json").read_text())
    names = [step["_target_"].split(".")[-1] for step in inference["postprocessing"]["transforms"]]
    assert names[1:4] == ["LeaveGridd", "ShownModalityd", "SegmentOnGridd"]
    assert inference["postprocessing"]["transforms"][2]["free_image"]
    assert inference["postprocessing"]["transforms"][3]["free_logits"]
    assert inference["handlers"][-1] == {"_target_": "shared.handlers.HoldVolumesOnce"}
    assert for_one_case(inference)["handlers"] == inference["handlers"][-1:]


def temperature_parts(bundle):
    """calibrate.json without what names the organ or the network, and how inference finds and uses the temperature."""
    calibrate = json.loads((bundle / "configs" / "calibrate.json").read_text())
    *_, samples = calibrate["validate::postprocessing"]["transforms"]
    samples.pop("brain_key", None)
    calibrate["validate::handlers"][-1].pop("title")
    inference = json.loads((bundle / "configs" / "inference.json").read_text())
    (step,) = [item for item in inference["postprocessing"]["transforms"] if "temperature" in item]
    parts = {name: inference[name] for name in inference if "_temperature" in name}
    return calibrate, step["temperature"], inference["inferer"]["temperatures"], parts


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_the_fitted_temperature_is_used_as_in_the_bundle_that_is_tried(bundle):
    tried = TRIED if "_mri_" in bundle.name else BREAST
    found, expected = temperature_parts(bundle), temperature_parts(tried)
    if tried == BREAST:  # logits are sampled in their own way
        for calibrate, *_ in (found, expected):
            calibrate.pop("validate::postprocessing")
    assert found == expected


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_a_checkpoint_holds_all_that_has_a_state(bundle):
    config = json.loads((bundle / "configs" / "train.json").read_text())
    (handler,) = [item for item in config["train"]["handlers"] if item["_target_"].endswith("TrainingCheckpoint")]
    with_state = {"network", "optimizer", "loss"} | {"lr_scheduler"} & config.keys()
    assert handler["objects"].items() >= {(name, f"@{name}") for name in with_state}
