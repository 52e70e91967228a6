"""Forms in which a training step is timed: a precision, the memory layout of the weights, compiled or not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine
from monai.bundle import ConfigParser
from monai.engines.utils import IterationEvents
from monai.utils import convert_to_tensor

from ci.experiments.config_files import configuration_with
from shared.errors import InputError

__all__ = ["ENGINES", "compile_network", "configuration", "forms_of", "lay_out_channels_last"]

PRECISIONS = {"fp32": None, "fp16": torch.float16, "bf16": torch.bfloat16}
LAYOUTS = {4: torch.channels_last, 5: torch.channels_last_3d}  # by the weights' dimensions
ENGINES = {  # inference first: what a training leaves would count as its memory
    "validate::evaluator": IterationEvents.FORWARD_COMPLETED,
    "train::trainer": IterationEvents.MODEL_COMPLETED,
}
BESIDE_STEPS = ("postprocessing", "key_metric", "additional_metrics")
HANDLERS_OF_A_STEP = ("shared.handlers.GradientClip",)
SET_HERE = ("amp", "bundle_root", "max_epochs")


def forms_of(text: str) -> list[str]:
    """Split "fp32; bf16 compiled" into its forms.

    Raises:
        InputError: an unknown form, or a form twice.
    """
    forms = [" ".join(form.split()) for form in text.split(";")]
    for form in forms:
        precision, _, words = form.partition(" ")
        if precision not in PRECISIONS or not set(words.split()) <= {"channels-last", "compiled"}:
            raise InputError(
                f"forms: {form!r} is none; write fp32, fp16 or bf16, then channels-last, compiled or nothing."
            )
        if forms.count(form) > 1:
            raise InputError(f"forms: {form!r} is there twice.")
    return forms


def configuration(
    bundle: Path, overlays: Sequence[str], form: str, settings: dict[str, Any], steps_alone: bool = True
) -> ConfigParser:
    """Return the configuration of a training in a form.

    Args:
        bundle: its folder.
        overlays: follow train.json.
        form: of `forms_of`.
        settings: of the bundle, by name.
        steps_alone: leave out what happens between steps: metrics, validation, log, checkpoints.

    Raises:
        InputError: an unknown overlay or setting, or half precision without a GPU.
    """
    parser = configuration_with(bundle, ["train", *overlays], {"cache_rate": 0.0, **settings}, SET_HERE)
    device = parser.get_parsed_content("device")
    if not isinstance(device, torch.device):
        raise InputError(f"""--device: write "$torch.device('cpu')", not {device!r}.""")
    dtype = PRECISIONS[form.split()[0]]
    if dtype and device.type != "cuda":
        raise InputError(f"forms: {form!r} needs a GPU; fp32 does not.")
    parser["amp"] = dtype is not None
    for engine in ENGINES:
        part = engine.partition("::")[0]
        parser[f"{engine}::amp_kwargs"] = {"dtype": dtype} if dtype else {}
        if not steps_alone:
            continue
        parser[f"{engine}::decollate"] = False  # a part of what follows a step
        handlers = [handler for handler in parser[f"{part}::handlers"] if isinstance(handler, dict)]
        parser[f"{part}::handlers"] = [handler for handler in handlers if handler["_target_"] in HANDLERS_OF_A_STEP]
        for name in set(BESIDE_STEPS) & set(parser[part]):
            parser[f"{part}::{name}"] = None
    return parser


def compile_network(engine: Engine) -> None:
    """Compile an engine's network, for batches without MetaTensors.

    MONAI's own `compile=True` makes them MetaTensors again, which fails for several images and for dictionaries.
    """
    prepare_batch = engine.prepare_batch
    engine.network = torch.compile(engine.network)
    engine.prepare_batch = lambda *batch, **options: convert_to_tensor(prepare_batch(*batch, **options))


def lay_out_channels_last(network: torch.nn.Module) -> None:
    """Give a 2D or 3D network's weights the memory layout with the channels last."""
    network.to(memory_format=LAYOUTS[max(parameter.dim() for parameter in network.parameters())])
