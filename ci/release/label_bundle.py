"""Write a bundle as MONAI Label takes it: a folder with overlays, settings and weights in it.

    python -m ci label-bundle --bundle bundles/<name> --out APP/model [--only_modality t1ce] [--weights FILE]

MONAI Label reads configs/inference.json and models/model.pt, takes no overlay and no setting, and runs no "initialize".
So the folder is the packed bundle with all of these in the two files. Weights are those of --weights, else the bundle's
models/model.pt, else its included models/painted.pt with the sizes of their network. They are loaded once, so that
weights of other settings are refused here. Options beyond these are the bundle's settings. A viewer sends one 3D image
without a name: `--only_modality` says which modality it is, and the others are absent. It becomes an option of the
viewer, so that another image can be of another modality.

The answer for a picture is a PNG of its regions, the most probable class, and the probabilities of the classes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

from ci.experiments.config_files import config_files, overlay_names
from ci.release.library_configs import as_json, with_library
from ci.release.pack import packed_files
from shared.atomic_write import atomic_write
from shared.errors import InputError
from shared.inferers.one_case import bundle_workflow

__all__ = ["label_bundle"]

SET_HERE = ("bundle_root", "ckpt_path", "device")  # by the folder, --weights and the viewer's request
KEPT = ("initialize", "bundle_root", "ckpt_path")  # as the file has them
OPTIONS = "displayable_configs"  # MONAI Label's name for settings that a request may change
# MONAI Label takes pictures as (column, row), and a JPEG's name would make the answer a JPEG, whose values change.
FOR_PICTURES = [
    {"_target_": "SqueezeDimd", "keys": "pred", "dim": 0},
    {"_target_": "Transposed", "keys": "pred", "indices": [1, 0]},
    {"_target_": "ToNumpyd", "keys": ["pred", "image"]},  # an image without a size that does not fit the turned map
    {
        "_target_": "Lambdad",
        "keys": "class_probabilities",
        "func": {
            "_target_": "shared.transforms.picture_findings.class_findings",
            "_mode_": "callable",
            "class_names": "@class_names",
        },
        "overwrite": "result",
    },
]


def label_bundle(
    bundle: Path, out: Path, overlays: Sequence[str], settings: Mapping[str, Any], weights: Path | None = None
) -> Path:
    """Write the folder, and return it: `<out>/<name>`.

    Args:
        bundle: folder in ``bundles/``, next to ``shared/``.
        out: folder "model" of MONAI Label's application "monaibundle".
        overlays: names of configurations that follow inference.json.
        settings: of the bundle.
        weights: one file, a plain state dict.

    Raises:
        InputError: no such overlay or setting; no weights, or weights that do not fit.
    """
    bundle = bundle.resolve()
    metadata_path = bundle / "configs" / "metadata.json"
    if not metadata_path.is_file():
        raise InputError(f"{bundle}: not a bundle, it has no configs/metadata.json.")
    metadata = json.loads(metadata_path.read_text(encoding="utf-8"))
    data_format = metadata["network_data_format"]
    if here := [name for name in SET_HERE if name in settings]:
        raise InputError(f"--{here[0]}: is set by this command; leave it out (--weights names weights).")
    files = config_files(bundle, ["inference", *overlays], "--overlays")
    parser, path = _checked(bundle, overlays, settings, weights)
    config = ConfigParser.load_config_files(files)
    config |= {name: value for name, value in parser.get().items() if name in config and name not in KEPT}
    if config.get("only_modality") is not None:
        config = {OPTIONS: {"only_modality": config["only_modality"]}} | config
        config["only_modality"] = f"@{OPTIONS}::only_modality"
    if len(data_format["inputs"]["image"]["spatial_shape"]) == 2:
        config["postprocessing"]["transforms"] += FOR_PICTURES
        config = {OPTIONS: {"result_extension": ".png"}} | config
        names = ["background", *parser.get_parsed_content("region_names")[1:]]
    else:
        names = ["background", *parser.get_parsed_content("class_names")]
    data_format["outputs"]["pred"]["channel_def"] = {str(value): name for value, name in enumerate(names)}
    contents = {name: content for name, content in packed_files(bundle).items() if not _left_out(name)}
    contents["configs/inference.json"] = as_json(with_library(config, f"{bundle.name}_lib"))
    contents["configs/metadata.json"] = as_json(metadata)
    contents["models/model.pt"] = path.read_bytes()
    folder = out / bundle.name
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / name) as temporary:
            temporary.write_bytes(content)
    return folder


def _left_out(name: str) -> bool:
    """Whether a packed file would be offered by MONAI Label (further weights), or no longer tells the truth."""
    return name.startswith("models/") or name == "docs/MANIFEST.json"


def _checked(
    bundle: Path, overlays: Sequence[str], settings: Mapping[str, Any], weights: Path | None
) -> tuple[ConfigParser, Path]:
    """Start an inference as far as loading the weights; return its configuration, and the weights' file."""
    given = dict(settings) if weights is None else {**settings, "ckpt_path": str(weights)}
    workflow = bundle_workflow(bundle, overlays, {**given, "bundle_root": str(bundle)})
    workflow.initialize()
    parser = workflow.parser
    parser.get_parsed_content("preprocessing")
    path = Path(parser.get_parsed_content("ckpt_path"))
    if not path.is_file():
        raise InputError(f"{path}: no such weights; train first, or name some with --weights.")
    parser.get_parsed_content("checkpointloader")()
    network = parser.get_parsed_content("network")
    try:
        stored = set(torch.load(path, map_location="cpu", weights_only=True))
    except Exception:  # safetensors, an exported network
        stored = set()
    if stored != set(network.state_dict()):
        raise InputError(
            f"{path}: MONAI Label takes a plain state dict of the network, as a training leaves it in model.pt."
        )
    return parser, path


def main(
    bundle: str, out: str, overlays: str | tuple[str, ...] = (), weights: str | None = None, **settings: Any
) -> None:
    """Write the folder and print it.

    Args:
        bundle: folder of a bundle.
        out: folder "model" of MONAI Label's application "monaibundle".
        overlays: configurations that follow inference.json, with commas.
        weights: a plain state dict.
        **settings: of the bundle, such as --only_modality t1ce.
    """
    chosen = None if weights is None else Path(weights)
    print(label_bundle(Path(bundle), Path(out), overlay_names(overlays), settings, chosen))
