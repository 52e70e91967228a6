"""A clean small bundle passes; every rule has a change to it that breaks that rule and no other."""

import copy
import json

import pytest

from ci.lint.config_files import bases_of, bundles_below
from ci.lint.lint_configs import RULES, lint, main
from shared.errors import InputError

GONE = object()

HEAD = {
    "imports": ["$import math"],
    "bundle_root": ".",
    "dataset_dir": "",
    "output_dir": "$@bundle_root + '/eval'",
    "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
    "modalities": ["t1", "t2"],
    "spacing_mm": [1.0, 1.0, 1.0],
    "num_workers": 0,
    "network_def": {"_target_": "VNet", "in_channels": "$len(@modalities)", "out_channels": 2},
    "network": "$@network_def.to(@device)",
}
LOADED = {"_target_": "LoadImaged", "keys": "image", "ensure_channel_first": True, "reader": "NibabelReader"}
SPACED = {"_target_": "shared.transforms.SafeSpacingd", "keys": "image", "pixdim": "@spacing_mm"}
INFERENCE = HEAD | {
    "datalist": "$[{'image': @dataset_dir + '/t1.nii.gz'}]",
    "preprocessing": {"_target_": "Compose", "transforms": [LOADED, SPACED]},
    "dataset": {"_target_": "Dataset", "data": "@datalist", "transform": "@preprocessing"},
    "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "num_workers": "@num_workers"},
    "inferer": {"_target_": "SimpleInferer"},
    "postprocessing": {
        "_target_": "Compose",
        "transforms": [{"_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir"}],
    },
    "checkpointloader": {
        "_target_": "CheckpointLoader",
        "load_path": "$@bundle_root + '/models/model.pt'",
        "load_dict": {"model": "@network"},
    },
    "handlers": ["@checkpointloader"],
    "evaluator": {
        "_target_": "SupervisedEvaluator",
        "device": "@device",
        "val_data_loader": "@dataloader",
        "network": "@network",
        "inferer": "@inferer",
        "postprocessing": "@postprocessing",
        "val_handlers": "@handlers",
    },
    "initialize": ["$monai.utils.set_determinism(math.ceil(0.5))"],
    "run": ["$@evaluator.run()"],
}
DICE = {"dice": {"_target_": "MeanDice", "output_transform": "$monai.handlers.from_engine(['pred', 'label'])"}}
TRAIN = HEAD | {
    "max_epochs": 1,
    "val_interval": 1,
    "train": {
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {**LOADED, "keys": ["image", "label"]},
                {"_target_": "RandFlipd", "keys": ["image", "label"], "prob": 0.5},
            ],
        },
        "dataset": {"_target_": "Dataset", "data": "$[@dataset_dir]", "transform": "@train::preprocessing"},
        "dataloader": {"_target_": "DataLoader", "dataset": "@train::dataset", "num_workers": "@num_workers"},
        "inferer": {"_target_": "SimpleInferer"},
        "postprocessing": {"_target_": "Compose", "transforms": []},
        "key_metric": DICE,
        "handlers": [
            {"_target_": "ValidationHandler", "validator": "@validate::evaluator", "interval": "@val_interval"},
            {"_target_": "StatsHandler", "output_transform": "$lambda x: [y for y in x]"},
            {"_target_": "TensorBoardStatsHandler", "log_dir": "@output_dir"},
        ],
        "trainer": {
            "_target_": "SupervisedTrainer",
            "device": "@device",
            "max_epochs": "@max_epochs",
            "train_data_loader": "@train::dataloader",
            "network": "@network",
            "optimizer": {"_target_": "torch.optim.Adam", "params": "$@network.parameters()"},
            "loss_function": {"_target_": "monai.losses.DiceLoss"},
            "inferer": "@train::inferer",
            "postprocessing": "@train::postprocessing",
            "key_train_metric": "@train::key_metric",
            "train_handlers": "@train::handlers",
        },
    },
    "validate": {
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                LOADED,
                {**LOADED, "keys": ["label"]},
                {**SPACED, "keys": ["image", "label"], "mode": ["bilinear", "nearest"]},
            ],
        },
        "dataset": {"_target_": "Dataset", "data": "$[@dataset_dir]", "transform": "@validate::preprocessing"},
        "dataloader": {"_target_": "DataLoader", "dataset": "@validate::dataset"},
        "inferer": {"_target_": "SimpleInferer"},
        "postprocessing": {"_target_": "Compose", "transforms": []},
        "key_metric": DICE,
        "handlers": [{"_target_": "StatsHandler", "_disabled_": False}],
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@validate::dataloader",
            "network": "@network",
            "inferer": "@validate::inferer",
            "postprocessing": "@validate::postprocessing",
            "key_val_metric": "@validate::key_metric",
            "val_handlers": "@validate::handlers",
        },
    },
    "initialize": ["$monai.utils.set_determinism(math.ceil(0.5))"],
    "run": ["$@train::trainer.run()"],
}
EVALUATE = {"+validate::handlers": [{"_target_": "StatsHandler"}], "run": ["$@validate::evaluator.run()"]}
LOGGING = """[loggers]
keys=root
[handlers]
keys=console
[formatters]
keys=
[logger_root]
handlers=console
[handler_console]
class=StreamHandler
args=(sys.stdout,)
"""


class Bundle:
    """The clean bundle, with changes."""

    def __init__(self, folder):
        self.folder = folder
        files = {"train": TRAIN, "inference": INFERENCE, "evaluate": EVALUATE}
        self.configs = {name: copy.deepcopy(config) for name, config in files.items()}
        self.logging = LOGGING
        self.metadata = {"spacing": [1.0, 1.0, 1.0]}

    def change(self, name, at, value):
        *above, last = at.split("::")
        item = self.configs[name]
        for key in above:
            item = item[int(key) if isinstance(item, list) else key]
        last = int(last) if isinstance(item, list) else last
        if value is GONE:
            del item[last]
        else:
            item[last] = value

    def lint(self):
        (self.folder / "configs").mkdir(parents=True)
        for name, config in self.configs.items():
            text = config if isinstance(config, str) else json.dumps(config)
            (self.folder / "configs" / f"{name}.json").write_text(text)
        (self.folder / "configs" / "metadata.json").write_text(json.dumps(self.metadata))
        (self.folder / "configs" / "logging.conf").write_text(self.logging)
        return [line.removeprefix(f"{self.folder}/configs/") for line in lint(self.folder)]


@pytest.fixture
def bundle(tmp_path):
    return Bundle(tmp_path / "tiny_segmentation")


def test_the_clean_bundle_has_no_fault(bundle):
    assert bundle.lint() == []


FLIP = {"_target_": "RandFlipd", "keys": "image"}
NAN_LOST = "preprocessing: is not known"
IN_BOTH = "train::preprocessing::transforms::1"
BROKEN = [
    # rule, file, id, new value, id of the fault (the same where None), what it says
    (
        "target",
        "train",
        "train::inferer::_target_",
        "Inferrer",
        "train::inferer",
        "Inferrer: no such class or function",
    ),
    ("target", "train", "train::inferer::_target_", "shared.inferers.Nobody", "train::inferer", "no such class"),
    ("target", "train", "train::inferer", {"_target_": "Encoder", "_mode_": "callable"}, None, "MONAI has several ("),
    ("target", "train", "train::inferer", {"_target_": "Affine", "_mode_": "callable"}, None, "MONAI has several ("),
    ("target", "train", IN_BOTH, {"_target_": "Nobodyd", "keys": "image"}, None, "no such class"),
    ("target", "train", "train::inferer::_target_", "math.pi", "train::inferer", "no such class or function"),
    ("argument", "train", "train::inferer", {"_target_": "SimpleInferer", "roi": 1}, None, "takes no argument 'roi'"),
    ("argument", "train", "train::dataloader::num_worker", 1, "train::dataloader", "takes no argument 'num_worker'"),
    (
        "argument",
        "train",
        "train::trainer::loss_function",
        GONE,
        "train::trainer",
        "needs the argument 'loss_function'",
    ),
    ("argument", "train", "train::inferer::_require_", ["@device"], "train::inferer", "takes no argument '_require_'"),
    ("reference", "train", "train::trainer::device", "@devise", None, "@devise is not defined"),
    ("reference", "train", "run::0", "$@train::trainr.run()", None, "@train::trainr is not defined"),
    ("reference", "train", "train::trainer::device", "@", None, "@ is not defined"),
    ("reference", "train", "max_epochs", "@max_epochs", None, "@max_epochs leads back to itself"),
    ("unused", "train", "max_epoch", 2, None, "nothing refers to this key"),
    ("expression", "train", "run::0", "$@train::trainer.run(", None, "'(' was never closed"),
    ("expression", "train", "run::0", "$os.getcwd()", None, "os is not imported"),
    ("expression", "train", "imports::0", "$import maths as math", None, "No module named 'maths'"),
    ("expression", "train", "imports::0", "$from math import cel as math", None, "has no attribute 'cel'"),
    ("import-word", "train", "run::0", "$print('important') or @train::trainer.run()", None, "import statement"),
    ("shared-in-expression", "train", "imports::0", "$import shared as math", None, "_target_"),
    ("absolute-path", "train", "dataset_dir", "/data/BraTS", None, "'/data/BraTS' is an absolute path"),
    ("absolute-path", "train", "output_dir", "$'/out' + @bundle_root", None, "'/out' is an absolute path"),
    ("macro", "train", "max_epochs", "%other.json::epochs", None, "write the value or a reference"),
    ("data-key", "train", f"{IN_BOTH}::keys", ["image", "image_low"], IN_BOTH, "'image_low' begins with another"),
    *[
        ("safe-spacing", "train", IN_BOTH, {"_target_": name, "keys": "image", "pixdim": 1.0}, None, "SafeSpacingd")
        for name in ("Spacingd", "SpacingD", "monai.transforms.SpacingDict")
    ],
    ("nan-mark", "train", IN_BOTH, {"_target_": "RandAdjustContrastd", "keys": "image"}, None, "not known to keep"),
    ("nan-mark", "train", IN_BOTH, {"_target_": "RandHistogramShiftd", "keys": ["image"]}, None, "not known to keep"),
    ("nan-mark", "train", IN_BOTH, {"_target_": "ThresholdIntensityD", "keys": "image", "threshold": 0}, None, "known"),
    ("nan-mark", "train", IN_BOTH, {"_target_": "NormalizeIntensityd", "keys": "image"}, None, "without channel_wise"),
    (
        "nan-mark",
        "train",
        IN_BOTH,
        {"_target_": "RandStdShiftIntensityd", "keys": "image", "factors": 0.1},
        None,
        "without channel_wise",
    ),
    (
        "nan-mark",
        "train",
        IN_BOTH,
        {"_target_": "NormalizeIntensityd", "keys": "image", "channel_wise": "$False"},
        None,
        "without channel_wise",
    ),
    ("special-key", "train", "train::inferer::_disabled_", "$False", "train::inferer", "@train::inferer is None where"),
    (
        "special-key",
        "train",
        "validate::handlers::0::_disabled_",
        "yes",
        "validate::handlers::0",
        "_disabled_ is 'yes'",
    ),
    ("special-key", "train", "train::inferer::_disabled_", True, "train::inferer", "@train::inferer is None where"),
    ("special-key", "train", "train::inferer::_mode_", "debug", "train::inferer", "_mode_ is 'debug'"),
    ("device", "train", "device", "cuda:0", None, "does not fall back to the CPU"),
    ("required", "train", "train::key_metric", GONE, None, "is missing"),
    ("required", "inference", "checkpointloader", GONE, None, "is missing"),
    ("required", "train", "train::postprocessing", [], None, "write a Compose"),
    ("metadata-reference", "inference", "dataset_dir", "$@_meta_::spacing", None, "not there in MONAI Label"),
    ("workers", "inference", "num_workers", 2, "dataloader", "num_workers is not 0"),
    ("output-dir", "inference", "output_dir", "eval", None, "write an expression"),
    ("network", "inference", "network_def::out_channels", 3, "network_def", "differs from that of train.json"),
]


@pytest.mark.parametrize(("rule", "name", "at", "value", "fault_at", "what"), BROKEN)
def test_a_broken_rule_is_named_with_file_and_id(bundle, rule, name, at, value, fault_at, what):
    bundle.change(name, at, value)
    faults = bundle.lint()
    also = {"reference"} if value is GONE else set()  # what named the missing item
    assert {fault.split(": ")[2] for fault in faults} - also == {rule}
    file = "inference" if rule == "network" else name
    named = [fault for fault in faults if fault.startswith(f"{file}.json: {fault_at or at}: ")]
    assert named
    assert what in named[0]


ALLOWED = [
    # {(file, id): new value} of changes that break no rule
    {("train", "run::0"): "$print('shared_memory') or @train::trainer.run()"},
    {("train", "run::0"): "$@train::trainer.run() if 7 % 2 else None"},
    {("train", "validate::handlers::0::_disabled_"): "True"},
    {("train", "validate::handlers::0::_disabled_"): "$@max_epochs > 3"},
    {("train", "train::inferer"): {"_target_": "$monai.inferers.SimpleInferer"}},
    {("train", "inferer"): "SimpleInferer", ("train", "train::inferer::_target_"): "@inferer"},
    {("train", "_note"): {"_target_": ["a list"]}},
    {("train", "_desc_"): "/data/of @nobody", ("train", "train::_desc_"): "% of @nobody"},
    {("train", "output_dir"): "eval"},
    {("train", "num_workers"): 4},
    {("train", "max_epochs"): "$len(@_meta_::spacing)"},
    {("train", f"{IN_BOTH}::keys"): ["image", "image2"]},
    {("train", "train::preprocessing::transforms::0::meta_keys"): ["image_meta_dict", "label_meta_dict"]},
    {
        ("train", "train::postprocessing::transforms"): [
            {"_target_": "ThresholdIntensityd", "keys": "image", "threshold": 0.5}
        ]
    },
    {("train", "classes"): [2], ("train", "network_def::out_channels"): "@classes#0"},
]


@pytest.mark.parametrize("changes", ALLOWED)
def test_what_breaks_no_rule_passes(bundle, changes):
    for (name, at), value in changes.items():
        bundle.change(name, at, value)
    assert bundle.lint() == []


def test_metadata_may_hold_any_text(bundle):
    bundle.metadata |= {"data_source": "/data", "references": ["@nobody", "$1 +", "% of all"]}
    assert bundle.lint() == []


def test_references_that_go_round_in_a_circle_are_named(bundle):
    bundle.change("train", "max_epochs", "@epochs")
    bundle.change("train", "epochs", "@rounds")
    bundle.change("train", "rounds", "@epochs")
    bundle.change("inference", "num_workers", "@workers")
    bundle.change("inference", "workers", "@num_workers")
    assert [fault for fault in bundle.lint() if "inference.json: dataloader" not in fault] == [
        "inference.json: num_workers: reference: @workers leads back to itself",
        "inference.json: workers: reference: @num_workers leads back to itself",
        "train.json: epochs: reference: @rounds leads back to itself",
        "train.json: rounds: reference: @epochs leads back to itself",
    ]


def test_a_data_key_is_found_behind_a_reference(bundle):
    bundle.change("train", "images", ["image", "image_low"])
    bundle.change("train", f"{IN_BOTH}::keys", "@images")
    assert ["'image_low' begins with another" in fault for fault in bundle.lint()] == [True]


def test_every_rule_is_broken_above():
    assert {rule for rule, *_ in BROKEN} >= RULES.keys()


def test_all_faults_of_all_files_come_at_once(bundle):
    bundle.change("train", "train::inferer::_target_", "Inferrer")
    bundle.change("train", "run::0", "$@train::trainr.run()")
    bundle.change("inference", "output_dir", "eval")
    bundle.logging = "no section"
    assert [fault.split(": ")[0:3:2] for fault in bundle.lint()] == [
        ["inference.json", "output-dir"],
        ["train.json", "target"],
        ["train.json", "reference"],
        ["logging.conf", "logging"],
    ]


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


def test_an_overlay_that_replaces_a_component_may_leave_its_settings_idle(bundle):
    bundle.change("train", "classes", 2)
    for name in ("train", "inference"):
        bundle.change(name, "network_def::out_channels", "@classes" if name == "train" else 2)
    bundle.configs["network_unet"] = {"network_def": {"_target_": "VNet", "in_channels": 4, "out_channels": 2}}
    assert [line for line in bundle.lint() if "network_unet" in line] == []
    bundle.configs["network_unet"] = {"network_def::out_channels": 2}
    bundle.folder = bundle.folder.with_name("other_segmentation")
    assert "classes: unused" in next(line for line in bundle.lint() if "network_unet" in line)


def test_what_a_note_describes_may_lack_arguments_but_have_no_wrong_ones(bundle):
    bundle.configs["tiny"] = {"_note_": {"_target_": "Resized"}}
    assert bundle.lint() == []


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


def test_an_overlay_of_both_is_linted_on_both_and_a_common_fault_is_named_once(bundle):
    bundle.configs["any_name"] = {"num_workers": 1, "network": "@nobody"}
    assert bundle.lint() == [
        "any_name.json: network: reference: @nobody is not defined",
        "any_name.json: dataloader: workers: num_workers is not 0; inference reads in its own process",
    ]


def test_without_a_list_of_modalities_nothing_is_absent(bundle):
    """A bundle for colour images has no `modalities`, and may change their contrast."""
    for name in ("train", "inference"):
        bundle.change(name, "modalities", GONE)
        bundle.change(name, "network_def::in_channels", 3)
    bundle.change("train", f"{IN_BOTH}", {"_target_": "RandAdjustContrastd", "keys": "image"})
    assert bundle.lint() == []


@pytest.mark.filterwarnings("ignore")  # MONAI's own, on the same file
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"bundle_root": ".", "a": {"b": 1, "b": 2}}', "b: duplicate-key: is twice"),
        ('{"bundle_root": "."', ": json: Expecting ',' delimiter"),
    ],
)
def test_a_file_that_python_would_read_wrongly_or_not(bundle, text, fault):
    bundle.configs["train"] = text
    assert any(line.startswith(f"train.json: {fault}") for line in bundle.lint())


def test_an_overlay_that_cannot_be_merged_keeps_its_other_faults(bundle):
    bundle.configs["evaluate"] = '{"validate": {}, "validate": {}, "nowhere::x": 1}'
    assert [line.split(": ")[1:3] for line in bundle.lint()] == [["validate", "duplicate-key"], ["", "merge"]]


def test_an_overlay_without_its_base_cannot_be_merged(bundle):
    del bundle.configs["train"]
    assert ["cannot be merged onto train.json: FileNotFoundError" in line for line in bundle.lint()] == [True, False]


@pytest.mark.parametrize("name", ["train", "inference"])
def test_both_complete_configs_must_be_there(bundle, name):
    del bundle.configs[name], bundle.configs["evaluate"]
    assert bundle.lint() == [f"{name}.json: : merge: is missing"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [("class=monai.Handler", "class='monai.Handler'"), ("args=(open('x'),)", "args=\"(open('x'),)\"")],
)
def test_logging_may_use_the_standard_library_only(bundle, line, fault):
    bundle.logging = LOGGING.replace("class=StreamHandler" if "class" in line else "args=(sys.stdout,)", line)
    faults = bundle.lint()
    assert len(faults) == 1
    assert faults[0].startswith("logging.conf: : logging: ")
    assert fault in faults[0]
    assert "would execute" not in faults[0], "what MONAI goes on to say is about a hazard, not about the fault"


def test_the_command_ends_with_status_1_where_there_are_faults(bundle, capsys):
    bundle.change("inference", "output_dir", "eval")
    bundle.lint()
    with pytest.raises(SystemExit) as ended:
        main(str(bundle.folder))
    assert ended.value.code == 1
    *faults, last = capsys.readouterr().out.splitlines()
    assert len(faults) == 1
    assert last == "1 bundles, 1 faults"


def test_the_command_ends_with_status_0_where_there_are_none(bundle):
    bundle.lint()
    with pytest.raises(SystemExit) as ended:
        main(str(bundle.folder))
    assert ended.value.code == 0


def test_without_a_name_every_bundle_of_the_repository_is_read(bundle, monkeypatch, capsys):
    monkeypatch.setattr("ci.lint.lint_configs.ROOT", bundle.folder.parent)
    monkeypatch.chdir(bundle.folder.parent)
    with pytest.raises(InputError, match="no bundle here"):
        main()
    bundle.change("train", "device", "cuda:0")
    bundle.folder = bundle.folder.parent / "bundles" / "one_segmentation"
    bundle.lint()
    with pytest.raises(SystemExit):
        main()
    faults = capsys.readouterr().out.splitlines()
    assert faults[0].startswith("bundles/one_segmentation/configs/train.json: device: device: ")
    assert faults[1] == "1 bundles, 1 faults"


def test_bundles_come_in_the_order_of_their_names(tmp_path):
    names = [f"{letter}_segmentation" for letter in "hbkaejcdgfi"]
    for name in names:
        (tmp_path / "bundles" / name / "configs").mkdir(parents=True)
        (tmp_path / "bundles" / name / "configs" / "metadata.json").touch()
    assert [bundle.name for bundle in bundles_below(tmp_path)] == sorted(names)


def test_a_folder_without_configs_is_a_user_s_error(tmp_path):
    with pytest.raises(InputError, match="not a bundle"):
        lint(tmp_path)
