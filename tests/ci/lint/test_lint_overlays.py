"""An overlay is read as MONAI runs it: merged onto the configuration that it overrides."""

import pytest
from clean_bundle import EVALUATE, HEAD

from ci.lint.config_files import bases_of

UNUSED = "network_unet.json: classes: unused: nothing refers to this key; remove it or begin its name with _"


@pytest.mark.parametrize(
    ("overlay", "bases"),
    [
        ({"handlers": []}, ["inference"]),
        ({"dataset::data": [], "num_workers": 0}, ["inference"]),
        ({"dataset::a_further_argument": [], "num_workers": 0}, ["inference"]),
        ({"max_epochs": 2}, ["train"]),
        ({"validate::dataset::data": [], "+validate::handlers": [], "handlers": []}, ["train"]),
        ({"network_def": {"_target_": "UNet"}, "_desc_": "another network"}, ["train", "inference"]),
        ({"bundle_root": ".", "handlers": []}, []),
    ],
)
def test_an_overlay_follows_what_it_overrides_whatever_its_name(bundle, overlay, bases):
    bundle.lint()
    path = bundle.folder / "configs" / "any_name.json"
    assert [base.stem for base in bases_of(path, overlay)] == bases


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"+validate::handlers": [{"_target_": "Nobody"}]}, "validate::handlers::1: target: Nobody: no such"),
        ({"run": ["$@validate::evaluater.run()"]}, "run::0: reference: @validate::evaluater is not defined"),
        ({"network": "@network_def"}, None),
        ({"train::trainer::max_epochs": 3}, "max_epochs: unused: nothing refers to this key"),
        ({"spare": 3}, "spare: unused: nothing refers to this key"),
        (
            {"validate::evaluater::amp": True},
            ": merge: cannot be merged onto train.json: KeyError('query key: evaluater')",
        ),
        ({"+device": ["cpu"]}, ": merge: cannot be merged onto train.json: ValueError"),
        ({"run::7": "x"}, ": merge: cannot be merged onto train.json: IndexError"),
    ],
)
def test_an_overlay_is_read_merged_and_answers_for_its_own_faults(bundle, changes, fault):
    bundle.change("train", "extra", "unused in train.json already")
    bundle.configs["evaluate"] = EVALUATE | changes
    faults = [line for line in bundle.lint() if line.startswith("evaluate.json: ")]
    assert len(faults) == (fault is not None)
    assert fault is None or fault in faults[0]


def test_an_overlay_of_both_is_linted_on_both_and_a_common_fault_is_named_once(bundle):
    bundle.configs["any_name"] = {"num_workers": 1, "network": "@nobody"}
    assert bundle.lint() == [
        "any_name.json: network: reference: @nobody is not defined",
        "any_name.json: dataloader: workers: num_workers is not 0; inference reads in its own process",
    ]


@pytest.mark.parametrize(
    ("overlay", "faults"),
    [
        ({"network_def": {"_target_": "VNet", "in_channels": 4, "out_channels": 2}}, []),
        ({"network_def::out_channels": 2}, [UNUSED]),
    ],
)
def test_only_an_overlay_that_replaces_a_whole_component_may_leave_its_settings_idle(bundle, overlay, faults):
    bundle.change("train", "classes", 2)
    bundle.change("train", "network_def::out_channels", "@classes")
    bundle.configs["network_unet"] = overlay
    assert [line for line in bundle.lint() if "network_unet" in line] == faults


def test_an_overlay_for_several_gpus_needs_the_local_rank(bundle):
    overlay = {"initialize": ["$torch.distributed.init_process_group('gloo')"], "device": HEAD["device"]}
    bundle.configs |= {"two_trainings": overlay, "two_inferences": {**overlay, "handlers": []}}
    assert ["several processes need LOCAL_RANK" in fault for fault in bundle.lint()] == [True, True]


def test_the_local_rank_may_be_read_outside_the_device(bundle):
    bundle.configs["multi_gpu_train"] = {
        "+imports": ["$import os"],
        "initialize": ["$torch.distributed.init_process_group('gloo')"],
        "rank": "$int(os.environ['LOCAL_RANK'])",
        "device": "$torch.device('cuda', @rank) if torch.cuda.is_available() else torch.device('cpu')",
    }
    assert bundle.lint() == []


def test_an_overlay_that_cannot_be_merged_keeps_its_other_faults(bundle):
    bundle.configs["evaluate"] = '{"validate": {}, "validate": {}, "nowhere::x": 1}'
    assert [line.split(": ")[1:3] for line in bundle.lint()] == [["validate", "duplicate-key"], ["", "merge"]]


def test_an_overlay_without_its_base_cannot_be_merged(bundle):
    del bundle.configs["train"]
    assert ["cannot be merged onto train.json: FileNotFoundError" in line for line in bundle.lint()] == [True, False]
