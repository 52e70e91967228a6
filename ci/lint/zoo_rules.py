"""What the model zoo, MONAI Label and MONAI Deploy ask of a configuration, and what images and labels need."""

from __future__ import annotations

import re

from ci.lint.config_files import walk
from ci.lint.merged_config import Config, Faults, located, plain

__all__ = ["KEEPS_NAN_MARK", "ZOO_RULES"]

# fmt: off
# Transforms that leave an absent modality marked (some NaN in its channel) and put no NaN into a present one: measured
# by tests/ci/lint/test_nan_mark.py. Those of shared/ have tests of their own.
KEEPS_NAN_MARK = {
    "Affine", "BorderPad", "CastToType", "CenterScaleCrop", "CenterSpatialCrop", "ConcatItems", "CopyItems",
    "CropForeground", "DeleteItems", "DivisiblePad", "EnsureChannelFirst", "EnsureType", "Flip", "GaussianSmooth",
    "LoadImage", "NormalizeIntensity", "Orientation", "RandAffine", "RandAxisFlip", "RandCropByLabelClasses",
    "RandCropByPosNegLabel", "RandFlip", "RandGaussianNoise", "RandGaussianSmooth", "RandRotate", "RandRotate90",
    "RandScaleCrop", "RandScaleIntensity", "RandShiftIntensity", "RandSpatialCrop", "RandSpatialCropSamples",
    "RandStdShiftIntensity", "RandZoom", "Resize", "ResizeWithPadOrCrop", "Rotate", "Rotate90", "SelectItems",
    "ShiftIntensity", "Spacing", "SpatialCrop", "SpatialPad", "ToDevice", "ToTensor", "Zoom",
}
ONLY_CHANNEL_WISE = {"NormalizeIntensity", "RandStdShiftIntensity"}  # else one channel's NaN reaches all
INFERENCE_IDS = [
    "bundle_root", "checkpointloader", "dataloader", "datalist", "dataset", "dataset::data", "dataset_dir", "device",
    "evaluator", "handlers", "inferer", "initialize", "network", "network_def", "output_dir", "postprocessing",
    "preprocessing", "run",
]
TRAIN_IDS = [
    "bundle_root", "dataset_dir", "device", "initialize", "network", "network_def", "output_dir", "run",
    "train::dataset", "train::dataset::data", "train::handlers", "train::inferer", "train::key_metric",
    "train::postprocessing", "train::preprocessing", "train::trainer", "train::trainer::max_epochs", "val_interval",
    "validate::dataset", "validate::dataset::data", "validate::evaluator", "validate::handlers", "validate::inferer",
    "validate::key_metric", "validate::postprocessing", "validate::preprocessing",
]
# fmt: on
COMPOSED = {"preprocessing", "postprocessing"}


def required(config: Config) -> Faults:
    """The ids that the model zoo's checks, MONAI Label and MONAI Deploy look for."""
    for name in INFERENCE_IDS if config.is_inference else TRAIN_IDS:
        if name not in config.values:
            yield name, "is missing; the model zoo, MONAI Label or MONAI Deploy asks for it"
    for at, value in walk(config.items):
        if at.split("::")[-1] in COMPOSED and isinstance(value, list):
            yield at, "is a list; write a Compose"


def device(config: Config) -> Faults:
    """Without a GPU a bundle runs on the CPU; several processes take their device from LOCAL_RANK."""
    text = config.items.get("device")
    if isinstance(text, str) and "cpu" not in text:
        yield "device", f"{text}: does not fall back to the CPU"
    starts_processes = "init_process_group" in str(config.items.get("initialize"))
    if isinstance(text, str) and starts_processes and "LOCAL_RANK" not in str(config.items):
        yield "device", f"{text}: several processes need LOCAL_RANK, which is not read"


def output_dir(config: Config) -> Faults:
    """Trap: MLflow's tracking extends the text of output_dir, and says nothing where that is no expression."""
    value = config.items.get("output_dir", "$")
    if config.is_inference and not str(value).startswith("$"):
        yield "output_dir", f"{value!r}: write an expression ($@bundle_root + '/eval')"


def workers(config: Config) -> Faults:
    """Trap: transforms are inverted by their identity, which worker processes do not keep (forkserver, Python 3.14)."""
    for at, component in config.components if config.is_inference else ():
        if plain(config, component.get("num_workers", 0)) != 0:
            yield at, "num_workers is not 0; inference reads in its own process"


def metadata_reference(config: Config) -> Faults:
    """MONAI Label reads inference.json without the metadata."""
    for at, text in config.texts if config.is_inference else ():
        if re.search(r"@_meta_", text):
            yield at, f"{text}: the metadata is not there in MONAI Label"


def data_key(config: Config) -> Faults:
    """Trap: MONAI's Spacingd takes `image_id` for the metadata of `image`."""
    keys: dict[str, str] = {}
    for at, component in config.components:
        for name, value in component.items():
            if re.fullmatch(r"(?!.*meta).*keys?", name):
                value = plain(config, value)
                found = value if isinstance(value, list) else [value]
                keys |= {key: at for key in found if isinstance(key, str) and key not in keys}
    for key, at in keys.items():
        for other in keys:
            if key.startswith(f"{other}_"):
                yield at, f"data key {key!r} begins with another one, {other!r}, and an underscore; rename it"


def safe_spacing(config: Config) -> Faults:
    """Trap: MONAI 1.6's Spacingd fails in MONAI Label, which adds `image_path` next to `image`."""
    for at, component in config.components:
        if component["_target_"].split(".")[-1] in {"Spacingd", "SpacingD", "SpacingDict"}:
            yield at, "use shared.transforms.SafeSpacingd instead of Spacingd"


def nan_mark(config: Config) -> Faults:
    """An absent modality is a channel of NaN until the network, in bundles that list their `modalities`."""
    if "modalities" not in config.items:
        return
    for at, component in config.components:
        found = located(component["_target_"])
        keys = plain(config, component.get("keys", []))
        on_image = "image" in (keys if isinstance(keys, list) else [keys])
        ours = component["_target_"].startswith("shared.")
        if "preprocessing" not in at.split("::") or not on_image or ours or found is None:
            continue
        name = found.__name__.removesuffix("d")
        if name not in KEEPS_NAN_MARK:
            yield at, f"{component['_target_']} is not known to keep the NaN of an absent modality"
        elif name in ONLY_CHANNEL_WISE and component.get("channel_wise") is not True:
            yield at, f"{component['_target_']} without channel_wise spreads the NaN of an absent modality"


ZOO_RULES = [required, device, output_dir, workers, metadata_reference, data_key, safe_spacing, nan_mark]
