"""What the command line makes of a bundle's settings, refused or taken before anything is built."""

import itertools
import json
import sys
from pathlib import Path

import pytest
from fire.parser import DefaultParseValue
from monai.bundle import ConfigWorkflow

from shared.errors import find_input_error

BRAIN, VNET = (Path("bundles") / f"brats_mri_segmentation_pareto_{name}" for name in ("mmformer", "vnet"))
BREAST = Path("bundles/breast_ultrasound_segmentation_interaction")
PROSTATE = Path("bundles/prostate_mri_segmentation_expert_consistency")
GLAND = Path("bundles/colon_gland_segmentation_multiloss")
MISREAD = {"2021": "./2021", "1_0": "./1_0", "True": "./True", "a,b": "./NAME", ".5": "./.5"}
CHANGED = ["run#2", "./run#2", "a::b", "/data/x@#y", "50%#x"]
ALL = sorted(path.parent.parent for path in Path("bundles").glob("*/configs/train.json"))


@pytest.fixture
def answer(monkeypatch):
    """A function that initialises a run as the command line would, and returns what it is refused with, or None."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)

    def initialise(bundle, files, *words):
        monkeypatch.setattr(sys, "argv", ["monai.bundle", "run", *words])
        options = {"bundle_root": str(bundle)}
        options |= {key[2:]: DefaultParseValue(word) for key, word in zip(words[::2], words[1::2])}
        paths = [str(bundle / "configs" / f"{name}.json") for name in files.split()]
        kind = "infer" if files.startswith("inference") else "train"
        try:
            ConfigWorkflow(paths, logging_file=False, workflow_type=kind, **options).initialize()
        except RuntimeError as error:
            return str(find_input_error(error) or f"a traceback: {error.__cause__}")
        return None

    return initialise


@pytest.mark.parametrize("bundle", ALL, ids=lambda path: path.name)
def test_every_configuration_passes_with_its_own_settings(answer, bundle):
    tried = 0
    for path in sorted((bundle / "configs").glob("*.json")):
        first = "inference" if "inference" in path.stem or path.stem == "exported" else "train"
        if path.stem not in ("metadata", "train", "inference") and "multi_gpu" not in path.stem:
            assert answer(bundle, f"{first} {path.stem}") is None
            tried += 1
    assert tried >= 4


@pytest.mark.parametrize("bundle", ALL, ids=lambda path: path.name)
def test_the_option_that_allows_other_settings_takes_what_its_advice_says(answer, bundle):
    assert answer(bundle, "inference", "--settings_may_differ", "['spacing_mm', 'modalities']") is None


def path_settings(bundle, command):
    config = json.loads((bundle / "configs" / f"{command}.json").read_text())
    return [name for name in config if name.endswith(("_dir", "_path", "_root", "_file", "_files"))]


@pytest.mark.parametrize("bundle", ALL, ids=lambda path: path.name)
@pytest.mark.parametrize("command", ["train", "inference"])
def test_paths_that_the_command_line_reads_as_something_else(answer, bundle, command):
    names = path_settings(bundle, command)
    assert len(names) >= 4
    for name, (word, example) in zip(names, itertools.cycle(MISREAD.items())):
        line = answer(bundle, command, f"--{name}", word)
        assert line.startswith(f"--{name}: expected a path, got ")
        assert line.endswith(f"; write {example}.")


@pytest.mark.parametrize("bundle", ALL, ids=lambda path: path.name)
def test_paths_that_monai_would_change(answer, bundle):
    for name, word in zip(path_settings(bundle, "train"), itertools.cycle(CHANGED)):
        line = answer(bundle, "train", f"--{name}", word)
        assert line.startswith(f"--{name}: {word!r} holds ")
        assert "rename it, or give a link" in line


def test_other_words_that_are_no_paths(answer):
    assert answer(VNET, "inference", "--dataset_dir", "(x)").endswith("'(x)' is read as 'x'; write './(x)'.")
    assert answer(VNET, "inference", "--dataset_dir", "@x").endswith("write ./@x.")
    assert answer(VNET, "inference", "--dataset_dir", "None").endswith("write ./None.")
    assert answer(VNET, "train", "--split_files", "x.txt").endswith("write \"{'train': 'x.txt'}\".")
    assert answer(VNET, "train", "--split_files", "{'train': 3}").startswith("--split_files::train: expected a path")
    assert "holds '#'" in answer(VNET, "inference", "--datalist", "[{'flair': '/a#b/x.nii'}]").replace("::'", "#'")
    assert "'case" in answer(VNET, "inference", "--datalist", "[{'case': 'case::1', 'flair': 'x.nii'}]")
    for word in ("./2021", "'2021'", "$@bundle_root + '/x'", "@bundle_root", "a b", "user@host:x"):
        assert answer(VNET, "inference", "--dataset_dir", word) is None
    assert answer(BREAST, "inference", "--cases_file", "None") is None


@pytest.mark.parametrize(
    ("bundle", "files", "setting", "word", "expected"),
    [
        (VNET, "inference", "overlap", "1.5", "a number of at least 0 and below 1, got 1.5"),
        (VNET, "inference", "inferer::overlap", "1.5", "a number of at least 0 and below 1, got 1.5"),
        (VNET, "inference", "sw_batch_size", "0", "a whole number of at least 1, got 0"),
        (VNET, "inference", "patch_size", "[30,30,30]", "multiples of 16, of at least 16, got [30, 30, 30]"),
        (BRAIN, "train tiny", "patch_size", "[16,16,16]", "multiples of 16, of at least 32, got [16, 16, 16]"),
        (BREAST, "inference", "image_size", "[50,50]", "multiples of 32, of at least 32, got [50, 50]"),
        (VNET, "inference", "patch_size", "64", "a list such as [96, 128, 128], got 64"),
        (VNET, "inference", "spacing_mm", "[0,1,1]", "a number above 0, got [0, 1, 1]"),
        (VNET, "inference", "class_names", "['a','b']", "3 names (--num_classes 4), got ['a', 'b']"),
        (GLAND, "inference", "class_names", "['a']", "2 names (--num_classes 2), got ['a']"),
        (VNET, "inference", "class_names", "['a','a','b']", "different names"),
        (VNET, "inference", "datalist", "x.nii", "a list of cases such as"),
        (VNET, "inference", "datalist", "['x.nii']", "a list of cases such as"),
        (VNET, "inference", "modalities", "t1", "a list such as"),
        (VNET, "inference", "layout", "5", "a text such as 'brats2021', got 5"),
        (VNET, "inference", "device", "cpu", 'an expression such as "$torch.device('),
        (VNET, "inference", "case_names", "none", "plain or hash, got 'none'"),
        (GLAND, "inference", "pixel_size_um", "0", "a number above 0, got 0"),
        (GLAND, "inference", "device", "0", 'an expression such as "$torch.device('),
        (GLAND, "inference", "device", "$'cpu'", "a device, got 'cpu'"),
        (GLAND, "train", "patch_size", "64", "a list of 2 whole numbers, got 64"),
        (GLAND, "train", "patch_size", "[64]", "a list of 2 whole numbers, got [64]"),
        (GLAND, "train", "patch_size", "[4,4]", "a whole number of at least 16, got [4, 4]"),
        (GLAND, "train", "term_interval_iterations", "0", "a whole number of at least 1, got 0"),
        (GLAND, "train", "line_interval_epochs", "2.5", "a whole number of at least 1, got 2.5"),
        (GLAND, "train", "loss_learning_rate", "[3]", "a number of at least 0, got [3]"),
        (GLAND, "train", "resume", "[]", "True or False, got []"),
        (
            GLAND,
            "inference",
            "region_names",
            "['a']",
            "a list such as ['stroma', 'epithelium', 'lumen', 'contour'], got",
        ),
        (BRAIN, "train", "num_folds", "[3]", "a whole number of at least 2 (or '$None'), got [3]"),
        (BRAIN, "train curriculum", "curriculum_width", "-1", "a number above 0, got -1"),
        (BREAST, "train network_unet", "channels", "[-1,-1]", "a whole number of at least 1, got [-1, -1]"),
        (VNET, "train", "max_epochs", "0", "a whole number of at least 1, got 0"),
        (VNET, "train", "max_epochs", "1.5", "a whole number of at least 1, got 1.5"),
        (VNET, "train", "max_epochs", "many", "a number such as 1000, got 'many'"),
        (VNET, "train", "max_epochs", "True", "a number such as 1000, got True"),
        (VNET, "train", "learning_rate", "-1", "a number above 0, got -1"),
        (BREAST, "train", "brightness", "-1", "a number of at least 0, got -1"),
        (VNET, "train", "num_workers", "-1", "a whole number of at least 0, got -1"),
        (VNET, "train", "cache_rate", "2", "a number from 0 to 1, got 2"),
        (VNET, "train", "val_interval", "0", "a whole number of at least 1, got 0"),
        (VNET, "train", "split_fractions", "[0.5,0.5,0.5]", "three shares that sum to 1"),
        (VNET, "train", "split_fractions", "[0.5,0.5]", "a list such as [0.7, 0.1, 0.2]"),
        (GLAND, "train", "validation_fraction", "1.5", "a number of at least 0 and below 1, got 1.5"),
        (VNET, "train", "rho_1", "1.0", "a number between 0 and 1 to start learning from, got 1.0"),
        (VNET, "train evaluate", "evaluate_part", "val", "train or validation or test, got 'val'"),
    ],
)
def test_values_that_cannot_be_used(answer, bundle, files, setting, word, expected):
    line = answer(bundle, files, f"--{setting}", word)
    assert line.startswith(f"--{setting}: expected {expected}")
    assert "; " in line


def test_settings_that_disagree(answer):
    assert answer(VNET, "train", "--fold", "2") == "--fold: 2 without --num_folds has no effect; give both, or neither."
    assert "from 0 to 3 (--num_folds 4), got 4" in answer(VNET, "train", "--num_folds", "4", "--fold", "4")
    assert answer(VNET, "train", "--num_folds", "4", "--fold", "3") is None
    assert answer(VNET, "train", "--learnable_rho", "False", "--rho_1", "1.0") is None


def test_labels_with_classes_that_the_network_lacks(answer):
    """A resection cavity is class 4; "msd" of prostates has two classes, that of brains three."""
    line = answer(VNET, "train", "--label_convention", "brats2024_cavity")
    assert line.startswith("--label_convention: 'brats2024_cavity' makes class 4, but --num_classes 4 ends at class 3;")
    assert "resection_cavity.json" in line
    assert "makes class 5" in answer(VNET, "train resection_cavity", "--label_convention", "{0: 0, 1: 5}")
    assert answer(VNET, "train", "--label_convention", "{0: 0, 1: 3}") is None
    assert answer(PROSTATE, "train", "--label_convention", "msd") is None


def test_values_that_can(answer):
    assert answer(VNET, "train", "--learning_rate", "$0.1 / 2") is None
    assert answer(GLAND, "train", "--max_log_variance", "None") is None
    assert answer(GLAND, "train", "--validation_fraction", "0.2") is None
    assert answer(BREAST, "inference", "--class_names", "['normal','benign']") is None
    assert answer(BRAIN, "inference", "--layout", "{'flair': '{case}.nii'}", "--modalities", "['flair']") is None


def test_a_gpu_that_is_not_there(answer):
    line = answer(GLAND, "inference", "--device", "$torch.device('cuda:99')")
    assert line.startswith("--device: got 'cuda:99', but this machine has ")


def test_none_is_no_value_on_the_command_line(answer, monkeypatch):
    real, none = (
        ConfigWorkflow.__init__,
        "--{}: MONAI takes None for an option that is not given; write '$None' or a value.",
    )

    def as_monai_runs(self, *arguments, **options):
        real(self, *arguments, **{key: value for key, value in options.items() if value is not None})

    monkeypatch.setattr(ConfigWorkflow, "__init__", as_monai_runs)
    for setting in ("output_dir", "max_log_variance"):
        assert answer(GLAND, "train", f"--{setting}", "None") == none.format(setting)
        assert answer(GLAND, "train", f"--{setting}", "$None") is None
    assert answer(GLAND, "train", "--grades_file", "None") is None
