"""Try every form of export on every network of every bundle, and write the table.

    python -m ci export-table --out ci/exports.md [--bundles vnet,gland] [--networks own,network_rfnet]

Networks have their full size and random weights. `ts` is TorchScript, scripted where that works, otherwise traced. What
is compared: an image per subset of the modalities in one batch, then one of another size. Rows of networks that are not
tried stay as they are in the file. An ONNX file of a network with several encoders takes a minute of a core.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from ci.experiments.config_files import configuration_with, overlay_names
from ci.lint.config_files import bundles_below
from shared.atomic_write import atomic_write
from shared.errors import InputError

from .bundle_network import BundleNetwork, bundle_network
from .export import FORMS, difference_of, write_form
from .exported_forms import TOLERANCE, exported_program, largest_difference, probe_images, quiet

ROOT = Path(__file__).resolve().parents[2]
OWN = "own"
HEAD = """\
| bundle | network | class | form | outcome | sizes | MB | largest difference | s |
|---|---|---|---|---|---|---:|---:|---:|
"""


def main(out: str, bundles: str = "", networks: str = "") -> None:
    """Write the table, network by network.

    Args:
        out: Markdown file; rows of other networks in it are kept.
        bundles: parts of names of bundles, with commas; without it all.
        networks: "own" and names of overlays, with commas; without it all.
    """
    chosen = [
        (bundle, name)
        for bundle in bundles_below(ROOT)
        for name in [OWN, *sorted(path.stem for path in bundle.glob("configs/network_*.json"))]
        if any(part in bundle.name for part in overlay_names(bundles) or [""])
        and (not networks or name in overlay_names(networks))
    ]
    if not chosen:
        raise InputError(f"--bundles {bundles!r}, --networks {networks!r}: no such network; correct one of them.")
    for bundle, name in chosen:
        rows = rows_of(bundle, name)
        kept = _rows(Path(out), without=f"| `{bundle.name}` | {name} |")
        with atomic_write(out) as temporary:
            temporary.write_text(HEAD + "".join(sorted([*kept, *rows])), encoding="utf-8")
        print("".join(rows), end="", flush=True)


def rows_of(bundle: Path, name: str) -> list[str]:
    """Try all forms on one network, "own" or that of an overlay."""
    parser = configuration_with(bundle, ["inference", *([] if name == OWN else [name])], {}, [])
    torch.manual_seed(0)
    source = bundle_network(parser, bundle, smallest=True)
    programs: list[torch.export.ExportedProgram] = []

    def make(path: Path) -> str:
        form = path.suffix.removeprefix(".")
        if form == "ts":
            return _torchscript(source, path)
        if form != "safetensors" and not programs:
            programs.append(exported_program(source.network, source.channels, source.rules))
        write_form(form, source, path, programs[0] if programs else None)
        return _judged(difference_of(path, source))

    start = f"| `{bundle.name}` | {name} | {source.description['network']} |"
    return [f"{start} {form} | {_tried(form, source, make)} |\n" for form in (*FORMS, "ts")]


def _rows(path: Path, without: str) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    return [line for line in lines if line.startswith("| `") and not line.startswith(without)]


def _tried(form: str, source: BundleNetwork, make: Callable[[Path], str]) -> str:
    """Return the cells of a form: outcome, sizes, MB, largest difference, seconds of the processor."""
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model.{form}"
        try:
            outcome = make(path)
            megabytes = f"{path.stat().st_size / 1e6:.1f}"
        except Exception as error:  # each exporter fails in its own ways, and the table says how
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:160].replace("|", "/")
            outcome, megabytes = f"**fails** ({reason})", ""
    verdict, _, difference = outcome.partition(" by ")
    sizes = " x ".join(map(str, source.description["spatial_shape"]))
    return " | ".join([verdict, sizes, megabytes, difference, f"{time.process_time() - started:.0f}"])


def _torchscript(source: BundleNetwork, path: Path) -> str:
    images = list(probe_images(source.channels, source.rules, source.may_lack))
    with quiet(), torch.no_grad():
        try:
            module, how = torch.jit.script(source.network), "scripted"
        except Exception:  # the compiler knows a part of Python only
            module, how = torch.jit.trace(source.network, images[0].nan_to_num(), check_trace=False), "traced"
        torch.jit.save(module, str(path))
        loaded = torch.jit.load(str(path))
        return _judged(largest_difference(source.network, loaded, images), f", {how}")


def _judged(difference: float, how: str = "") -> str:
    return f"{'ok' if difference <= TOLERANCE else '**differs**'}{how} by {difference:.0e}"
