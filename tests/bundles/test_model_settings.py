"""What must be equal in training and inference is declared in both, and is stored in and compared with the weights."""

from pathlib import Path

import pytest
from monai.bundle import ConfigParser

from ci.lint.config_files import bundles_below


def settings_of(bundle, *names):
    parser = ConfigParser(ConfigParser.load_config_files([str(bundle / "configs" / f"{name}.json") for name in names]))
    parser["bundle_root"] = str(bundle)
    if "splits" in parser:
        parser["splits"] = {"train": [], "validation": [], "test": []}  # there is no data
    return parser.get_parsed_content("model_settings")


@pytest.mark.parametrize("bundle", bundles_below(Path()), ids=lambda path: path.name)
@pytest.mark.parametrize("tiny", [False, True], ids=["full", "tiny"])
def test_training_and_inference_declare_the_same_settings(bundle, tiny):
    train = settings_of(bundle, *(["train", "tiny"] if tiny else ["train"]))
    inference = settings_of(bundle, *(["inference", "inference_tiny"] if tiny else ["inference"]))
    assert train == inference
    assert list(train) == list(inference)
    assert {"class_names", "preprocessing"} <= set(train)
