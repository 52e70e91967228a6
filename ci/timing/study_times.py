"""Time each step of a DICOM study through a bundle, from headers to Segmentation, with its memory.

    python -m ci study-times --bundle bundles/prostate_mri_segmentation_expert_consistency --dicom_dir STUDY \
        --out times --ckpt_path model.pt --resample_modalities True

Other options are the bundle's settings. `--dicom_seg` and `--dicom_sr` are on. A step is a transform of the bundle's
preprocessing or postprocessing, the headers and the choice of series before them, or the network between them. The last
row is a scale: pydicom reads every file of the study with its pixels once, in the same sitting. CPU seconds are those
of all threads, which tell more than seconds where others use the machine. Memory is the most that the process held
during a step (Linux), Python and its packages included.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigWorkflow

from ci.experiments.config_files import config_files, configuration_with, overlay_names
from shared.dicom.headers import read_headers
from shared.errors import InputError

HEADERS, NETWORK, SCALE = "headers, choice of series", "network", "(pydicom reads every file once)"
HEAD = "| step | seconds | CPU seconds | peak memory (MB) |\n|---|---:|---:|---:|"


class StepClock:
    """Seconds, CPU seconds and peak memory of steps; a step within a step counts as the outer one."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[float, float, float]] = {}
        self.is_within = False

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure what is done in the block."""
        if self.is_within:
            yield
            return
        self.is_within = True
        forget_peak()
        begun, cpu_begun = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.is_within = False
            seconds, cpu_seconds, megabytes = self.rows.get(name, (0.0, 0.0, 0.0))
            self.rows[name] = (
                seconds + time.perf_counter() - begun,
                cpu_seconds + time.process_time() - cpu_begun,
                max(megabytes, peak_megabytes()),
            )

    def watch(self, kind: type, name: str) -> Callable[[], None]:
        """Measure every call of a class's objects; return what ends that."""
        call = kind.__call__

        @functools.wraps(call)
        def timed(*arguments: Any, **options: Any) -> Any:
            with self.step(name):
                return call(*arguments, **options)

        kind.__call__ = timed
        return lambda: setattr(kind, "__call__", call)


def forget_peak() -> None:
    """Let Linux count the peak of this process's memory from here on."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_megabytes() -> float:
    """Return the most memory that this process held since `forget_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM"))


def main(bundle: str, dicom_dir: str, out: str, overlays: Any = (), **settings: Any) -> None:
    """Print a table with a row per step.

    Args:
        bundle: its folder.
        dicom_dir: a study.
        out: where the results go.
        overlays: what follows inference.json, e.g. network_rfnet.
        settings: of the bundle.

    Raises:
        InputError: what is given makes no sense, or the bundle refuses the study.
    """
    import pydicom

    names = ["inference", *overlay_names(overlays)]
    given = {"bundle_root": bundle, "dicom_dir": dicom_dir, "output_dir": out, "dicom_seg": True, "dicom_sr": True}
    if "dicom_seg" not in configuration_with(Path(bundle), names, settings, given):
        raise InputError(f"{bundle}: takes no DICOM studies; choose another --bundle.")
    files = config_files(Path(bundle), names, "--overlays")
    workflow = ConfigWorkflow(files, workflow_type="infer", logging_file=False, **settings, **given)
    workflow.initialize()
    clock = StepClock()
    with clock.step(HEADERS):
        workflow.parser.get_parsed_content("datalist")
    steps = [workflow.parser.get_parsed_content(part) for part in ("preprocessing", "postprocessing")]
    watched = {type(step): type(step).__name__ for chain in steps for step in chain.transforms}
    watched[type(workflow.parser.get_parsed_content("inferer"))] = NETWORK
    ends = [clock.watch(kind, name) for kind, name in watched.items()]
    try:
        workflow.run()
    finally:
        for end in ends:
            end()
    headers, _ = read_headers(Path(dicom_dir))
    with clock.step(SCALE):
        for header in headers:
            _ = pydicom.dcmread(header.path).pixel_array
    print(
        f"{Path(bundle).name}: {len(headers)} files, PyTorch {torch.__version__}, {torch.get_num_threads()} threads\n"
    )
    print(HEAD)
    for name, (seconds, cpu_seconds, megabytes) in clock.rows.items():
        print(f"| {name} | {seconds:.2f} | {cpu_seconds:.2f} | {megabytes:.0f} |")
    around = [row for name, row in clock.rows.items() if name not in (NETWORK, SCALE)]
    print(f"\nAround the network: {sum(row[0] for row in around):.2f} s, {sum(row[1] for row in around):.2f} CPU s.")
