"""Every rule of the linter has a change to the clean bundle that breaks this rule and no other."""

import pytest
from clean_bundle import GONE, IN_BOTH

from ci.lint.lint_configs import RULES

INFERER, TRAINER, HANDLER = "train::inferer", "train::trainer", "validate::handlers::0"


def on_image(name, **arguments):
    return {"_target_": name, "keys": "image", **arguments}


BROKEN = [
    # rule, file, id, new value, id of the fault (the same where None), what it says
    ("target", "train", f"{INFERER}::_target_", "Inferrer", INFERER, "Inferrer: no such class or function"),
    ("target", "train", f"{INFERER}::_target_", "shared.inferers.Nobody", INFERER, "no such class"),
    ("target", "train", f"{INFERER}::_target_", "math.pi", INFERER, "no such class or function"),
    ("target", "train", INFERER, {"_target_": "Encoder", "_mode_": "callable"}, None, "MONAI has several ("),
    ("target", "train", INFERER, {"_target_": "Affine", "_mode_": "callable"}, None, "MONAI has several ("),
    ("target", "train", IN_BOTH, on_image("Nobodyd"), None, "no such class"),
    ("argument", "train", INFERER, {"_target_": "SimpleInferer", "roi": 1}, None, "takes no argument 'roi'"),
    ("argument", "train", "train::dataloader::num_worker", 1, "train::dataloader", "takes no argument 'num_worker'"),
    ("argument", "train", f"{TRAINER}::loss_function", GONE, TRAINER, "needs the argument 'loss_function'"),
    ("argument", "train", f"{INFERER}::_require_", ["@device"], INFERER, "takes no argument '_require_'"),
    ("reference", "train", f"{TRAINER}::device", "@devise", None, "@devise is not defined"),
    ("reference", "train", "run::0", "$@train::trainr.run()", None, "@train::trainr is not defined"),
    ("reference", "train", f"{TRAINER}::device", "@", None, "@ is not defined"),
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
        ("safe-spacing", "train", IN_BOTH, on_image(name, pixdim=1.0), None, "SafeSpacingd")
        for name in ("Spacingd", "SpacingD", "monai.transforms.SpacingDict")
    ],
    ("nan-mark", "train", IN_BOTH, on_image("RandAdjustContrastd"), None, "not known to keep"),
    ("nan-mark", "train", IN_BOTH, {"_target_": "RandHistogramShiftd", "keys": ["image"]}, None, "not known to keep"),
    ("nan-mark", "train", IN_BOTH, on_image("ThresholdIntensityD", threshold=0), None, "known"),
    ("nan-mark", "train", IN_BOTH, on_image("NormalizeIntensityd"), None, "without channel_wise"),
    ("nan-mark", "train", IN_BOTH, on_image("RandStdShiftIntensityd", factors=0.1), None, "without channel_wise"),
    (
        "nan-mark",
        "train",
        IN_BOTH,
        on_image("NormalizeIntensityd", channel_wise="$False"),
        None,
        "without channel_wise",
    ),
    ("special-key", "train", f"{INFERER}::_disabled_", "$False", INFERER, "@train::inferer is None where"),
    ("special-key", "train", f"{HANDLER}::_disabled_", "yes", HANDLER, "_disabled_ is 'yes'"),
    ("special-key", "train", f"{INFERER}::_disabled_", True, INFERER, "@train::inferer is None where"),
    ("special-key", "train", f"{INFERER}::_mode_", "debug", INFERER, "_mode_ is 'debug'"),
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
    named = [fault for fault in faults if fault.startswith(f"{name}.json: {fault_at or at}: ")]
    assert named
    assert what in named[0]


def test_every_rule_is_broken_above():
    assert {rule for rule, *_ in BROKEN} >= RULES.keys()


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
