"""Write a bundle's network as `.pt2`, ONNX or safetensors, and compare the two.

    python -m ci export --bundle bundles/<name> --form onnx --out model.onnx [--ckpt_path FILE] [--overlays NAME]

`.pt2` is PyTorch's own form (`torch.export`), run without the network's code; ONNX runs without PyTorch. Both take any
batch, any size that the bundle's metadata allow, and any subset of the modalities: NaN marks an absent one, as
everywhere. An image without any modality gives NaN. safetensors hold the weights only. Options beyond these are the
bundle's settings. For TorchScript there is MONAI's `python -m monai.bundle ckpt_export`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from ci.experiments.config_files import configuration_with, overlay_names
from shared.atomic_write import atomic_write
from shared.errors import InputError
from shared.handlers import WeightsLoader
from shared.handlers.model_settings import TRAINED_ON
from shared.handlers.safetensors_file import save_safetensors
from shared.networks import ExportedNetwork

from .bundle_network import BundleNetwork, bundle_network
from .exported_forms import TOLERANCE, exported_program, largest_difference, probe_images, write_onnx, write_pt2

__all__ = ["FORMS", "difference_of", "write_form"]

FORMS = ("pt2", "onnx", "safetensors")  # also the suffixes


def write_form(form: str, source: BundleNetwork, path: Path, program: torch.export.ExportedProgram | None) -> None:
    """Write a network in one of `FORMS`.

    Args:
        form: which.
        source: the network.
        path: of the file.
        program: of `exported_program`; not needed for safetensors.
    """
    if form == "safetensors":
        save_safetensors(path, source.network.state_dict(), source.description)
    else:
        {"pt2": write_pt2, "onnx": write_onnx}[form](program, path, source.description)


def difference_of(path: Path, source: BundleNetwork) -> float:
    """Return `largest_difference` of a written file and the network it was written from; of weights, 0 or infinity."""
    if path.suffix == ".safetensors":
        weights = source.network.state_dict()
        before = {name: value.clone() for name, value in weights.items()}
        WeightsLoader(str(path), source.network, source.description["model_settings"])()
        return 0.0 if all(torch.equal(before[name], value) for name, value in weights.items()) else float("inf")
    exported = ExportedNetwork()
    exported.load_file(path, path.read_bytes())
    images = probe_images(source.channels, source.rules, source.may_lack)
    return largest_difference(source.network, exported, images)


def main(
    bundle: str,
    form: str,
    out: str,
    ckpt_path: str | None = None,
    overlays: str = "",
    settings_may_differ: list[str] | str = (),
    **settings: Any,
) -> None:
    """Write the file, unless what it holds differs from the network.

    Args:
        bundle: its folder.
        form: pt2, onnx or safetensors.
        out: file to write, with the form as suffix.
        ckpt_path: the trained weights; without it those of inference.json.
        overlays: names of configurations after inference.json, with commas.
        settings_may_differ: names of settings that differ from the training's on purpose.
        settings: of the bundle.
    """
    folder, path = Path(bundle), Path(out)
    if form not in FORMS:
        raise InputError(
            f"--form {form!r}: choose {', '.join(FORMS)}; TorchScript: python -m monai.bundle ckpt_export."
        )
    if path.suffix != f".{form}":
        raise InputError(f"--out {out}: the name must end in .{form}; correct it.")
    settings |= {} if ckpt_path is None else {"ckpt_path": ckpt_path}
    parser = configuration_with(folder, ["inference", *overlay_names(overlays)], settings, ["bundle_root"])
    source = bundle_network(parser, folder)
    weights = parser.get_parsed_content("ckpt_path")
    stored = source.description["model_settings"]
    loader = WeightsLoader(weights, source.network, stored, settings_may_differ)
    loader()
    origin = json.loads(loader.note)
    stored |= {TRAINED_ON: origin[TRAINED_ON]} if TRAINED_ON in origin else {}
    program = None if form == "safetensors" else exported_program(source.network, source.channels, source.rules)
    try:
        with atomic_write(path) as temporary:
            write_form(form, source, temporary, program)
            try:
                difference = difference_of(temporary, source)
            except AssertionError as error:  # a guard of torch.export on the size
                reason = f"{path}: not written: torch.export holds for some of the sizes alone"
                raise InputError(f"{reason}; export another form, such as onnx.") from error
            if difference > TOLERANCE:
                raise InputError(
                    f"{path}: not written: its logits differ from the network's by {difference:.1e} of the largest, "
                    f"more than {TOLERANCE:.0e}; export another form."
                )
    except ModuleNotFoundError as error:
        raise InputError(f"--form {form}: needs the package {error.name}; install it with pip.") from error
    sizes = " x ".join(str(size) for size in source.description["spatial_shape"])
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB; any batch, sizes {sizes}; differs by {difference:.1e} at most.")
