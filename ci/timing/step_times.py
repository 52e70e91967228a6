"""Time a training step and the inference of a case with a bundle's own network and sizes.

    python -m ci step-times --bundle bundles/brats_mri_segmentation_pareto_mmformer --dataset_dir /data/brats \
        --forms "fp32; bf16; bf16 channels-last; bf16 compiled" --overlays network_rfnet

A form is a precision (fp32; on a GPU also fp16, in which the bundles train there, and bf16) and, if wanted,
`channels-last` (of the weights) and `compiled` (`torch.compile`, and batches without MetaTensors; where it compiles
anew for other subsets or the last batch, raise --warm_up). Other options are the bundle's settings; unless it is given,
`cache_rate` is 0. A case is one image of the validation part as the bundle infers it; a step is one batch moved to the
device, forward, losses, backward and optimiser. Seconds are medians, after iterations that do not count; reading and
augmenting are not in them. Memory is the most that was allocated on the GPU at one time, weights included. PyTorch lets
convolutions use TF32 where a GPU has it, also in fp32.

With `--profile` each form gets a table instead: what a training spends on reading and transforms, forward, losses,
terms of the log, backward, optimiser, metrics, validation, log, figures and checkpoints. It trains as the settings say;
--warm_up and --repeats are then epochs. Seconds are those of the processor, on a GPU those of the clock; what
happens once in many epochs is divided by the steps of those that count. `num_workers` is 0 unless it is given.
"""

from __future__ import annotations

import gc
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.engine.events import EventEnum
from monai.bundle import ConfigParser
from monai.utils import set_determinism

from ci.experiments.config_files import overlay_names
from shared.errors import InputError

from .step_forms import ENGINES, compile_network, configuration, forms_of, lay_out_channels_last
from .step_parts import parts_table

HEAD = "| form | inference of a case (s) | memory (GB) | training step (s) | memory (GB) |\n|---|---:|---:|---:|---:|"


def wait(device: torch.device) -> None:
    """Wait until a GPU has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Stopwatch:
    """Seconds from the start of every iteration of an engine to an event in it.

    Args:
        engine: trainer or evaluator.
        end: the event.
        most: number of iterations after which the engine stops.
    """

    def __init__(self, engine: Engine, end: EventEnum, most: int) -> None:
        self.seconds: list[float] = []
        self.most = most
        engine.add_event_handler(Events.ITERATION_STARTED, self.start)
        engine.add_event_handler(end, self.stop)

    def start(self, engine: Engine) -> None:
        """Start the clock of an iteration."""
        wait(engine.state.device)
        self.started = time.perf_counter()

    def stop(self, engine: Engine) -> None:
        """Note the seconds since `start`."""
        wait(engine.state.device)
        self.seconds.append(time.perf_counter() - self.started)
        if len(self.seconds) == self.most:
            engine.terminate()


def measured(engine: Engine, end: EventEnum, warm_up: int, repeats: int) -> list[str]:
    """Return the median seconds of an iteration and the peak memory in GB (empty on a CPU), as cells.

    Raises:
        InputError: there is no image.
    """
    if not len(engine.data_loader):
        raise InputError(f"{type(engine).__name__}: no images; the training and the validation part need some.")
    on_gpu = engine.state.device.type == "cuda"
    stopwatch = Stopwatch(engine, end, warm_up + repeats)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(engine.state.device)
    enough_memory = True
    try:
        while len(stopwatch.seconds) < warm_up + repeats:  # a run of an evaluator is one epoch
            engine.run()
    except torch.cuda.OutOfMemoryError:
        enough_memory = False
    engine.state.batch = engine.state.output = None  # predictions hold on to all that their gradients need
    if not enough_memory:
        return ["out of memory", ""]
    memory = f"{torch.cuda.max_memory_allocated(engine.state.device) / 1e9:.2f}" if on_gpu else ""
    return [f"{statistics.median(stopwatch.seconds[warm_up:]):.3f}", memory]


def prepare(parser: ConfigParser, form: str, epochs: int) -> None:
    """Seed everything, set the length of the training, and lay out the network's weights as the form says."""
    set_determinism(seed=parser.get_parsed_content("seed"))
    parser["max_epochs"] = epochs
    if "channels-last" in form:
        lay_out_channels_last(parser.get_parsed_content("network"))


def row(parser: ConfigParser, form: str, warm_up: int, repeats: int) -> str:
    """Measure a form and return its row of the table."""
    prepare(parser, form, warm_up + repeats)
    cells = []
    for name, end in ENGINES.items():
        engine = parser.get_parsed_content(name)
        if "compiled" in form:
            compile_network(engine)
        cells += measured(engine, end, warm_up, repeats)
    return f"| {' | '.join([form, *cells])} |"


def main(
    bundle: str,
    forms: str = "fp32",
    overlays: Any = (),
    warm_up: int = 3,
    repeats: int = 7,
    profile: bool = False,
    **settings: Any,
) -> None:
    """Print a table with a row per form, or, with `profile`, a table per form with a row per part of a training.

    Args:
        bundle: its folder.
        forms: e.g. "fp32; bf16 compiled".
        overlays: what follows train.json, e.g. network_rfnet,baseline.
        warm_up: iterations before those that count.
        repeats: iterations that count.
        profile: measure the parts of a training; `warm_up` and `repeats` are epochs.
        settings: of the bundle.

    Raises:
        InputError: what is given makes no sense, or there are no images.
    """
    if not isinstance(warm_up, int) or not isinstance(repeats, int) or warm_up < 0 or repeats < 1:
        raise InputError(f"warm_up, repeats: give whole numbers from 0 and from 1 on, not {warm_up!r} and {repeats!r}.")
    overlays = overlay_names(overlays)
    names = forms_of(forms)
    if profile:
        if compiled := [form for form in names if "compiled" in form]:
            raise InputError(f"forms: {compiled[0]!r} has no profile; leave out compiled or --profile.")
        settings = {"num_workers": 0, **settings}
    parsers = {form: configuration(Path(bundle), overlays, form, settings, not profile) for form in names}
    device = parsers[names[0]].get_parsed_content("device")
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(f"{' + '.join([Path(bundle).name, *overlays])}: PyTorch {torch.__version__}, {where}\n", flush=True)
    if not profile:
        print(HEAD, flush=True)
    for form in names:
        parser = parsers.pop(form)
        if profile:
            prepare(parser, form, warm_up + repeats)
            print(f"{form}:\n\n{parts_table(parser, warm_up, repeats)}\n", flush=True)
        else:
            print(row(parser, form, warm_up, repeats), flush=True)
        torch.compiler.reset()
        gc.collect()  # engines and handlers refer to one another
        torch.cuda.empty_cache()
