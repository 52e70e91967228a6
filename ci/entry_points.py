"""Try every way into a packed bundle, and print what works as a Markdown table.

    python ci/entry_points.py [bundles/<name> ...]

The bundle is packed with weights of its untrained network and unpacked elsewhere. Every entry point runs on phantoms,
in an interpreter of its own that knows nothing of the repository. The tests (tests/bundles) use the same rows.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import fire
import torch
from monai.bundle import ConfigParser

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ci.config_files import bundles_below
from ci.pack import network_of, pack

__all__ = ["ENTRY_POINTS", "EntryPoint", "Outcome", "is_traced", "outcomes_of", "paint_phantoms"]

ROOT = Path(__file__).resolve().parents[1]
INSIDE, ELSEWHERE, ON_PATH = "its folder", "elsewhere", "elsewhere, `PYTHONPATH`"


@dataclass(frozen=True)
class EntryPoint:
    """One way into a bundle.

    Attributes:
        name: what a reader of the table sees.
        where: working directory (and path) that it starts from.
        arguments: those of Python; `Site.command` fills in the words in braces.
        everywhere: tried on every bundle, since it stands for those that `add_bundle_to_path` makes work.
        works: what is expected.
    """

    name: str
    where: str
    arguments: tuple[str, ...]
    everywhere: bool = False
    works: bool = True


ABOVE = ("--bundle_root", "{bundle}")
DATA = ("--dataset_dir", "{data}", "--output_dir", "{out}")
INFER = ("-m", "monai.bundle", "run", "--config_file", "{infer}", *DATA)
TRAIN = ("-m", "monai.bundle", "run", "--config_file", "{train}", *DATA, "--max_epochs", "1")
NETWORK = ("network_def", "--config_file", "{configs}/inference.json", "--meta_file", "{configs}/metadata.json")
VERIFY = ("-m", "monai.bundle", "verify_net_in_out", *NETWORK)
EXPORT = ("-m", "monai.bundle", "ckpt_export", *NETWORK, "--ckpt_file", "{weights}", "--filepath", "{out}/model.ts")
WORKFLOW = """
from monai.bundle import create_workflow
settings = {"bundle_root": "{bundle}", "dataset_dir": "{data}", "output_dir": "{out}"}
workflow = create_workflow(config_file={infer}, workflow_type="infer", **settings)
missing = workflow.check_properties()
assert missing == [], missing
workflow.run()
workflow.finalize()
"""
BEFORE_RUN = """
from monai.bundle import ConfigWorkflow
workflow = ConfigWorkflow("{configs}/inference.json", workflow_type="infer", bundle_root="{bundle}")
workflow.initialize()
assert len(workflow.network_def.state_dict())
"""
LOAD = """
import json, sys, torch
from monai.bundle import load
with open("args.json", "w") as file:
    json.dump({"bundle_root": "{bundle}"}, file)
network = load("{name}", bundle_dir="{parent}", device="cpu", **options)
saved = torch.load("{weights}", weights_only=True)
assert all(torch.equal(saved[name], value) for name, value in network.state_dict().items())
"""
LOAD_BARE = LOAD.replace("**options", "")
LOAD_TRAIN = LOAD.replace("**options", 'args_file="args.json"')
LOAD_INFER = LOAD.replace("**options", 'args_file="args.json", workflow_type="inference"')
LOAD_ON_PATH = LOAD_BARE.replace("network = ", 'sys.path.insert(0, "{bundle}")\nnetwork = ')

ENTRY_POINTS = [
    EntryPoint("`monai.bundle run`, inference", INSIDE, INFER),
    EntryPoint("`monai.bundle run`, training", INSIDE, TRAIN),
    EntryPoint("`monai.bundle verify_net_in_out`", INSIDE, VERIFY),
    EntryPoint("`monai.bundle ckpt_export`", INSIDE, EXPORT),
    EntryPoint("`monai.bundle run`, inference", ELSEWHERE, INFER + ABOVE, everywhere=True),
    EntryPoint("`monai.bundle run`, training", ELSEWHERE, TRAIN + ABOVE),
    EntryPoint("`monai.bundle run`, inference", ON_PATH, INFER + ABOVE),
    EntryPoint("`monai.bundle verify_net_in_out`", ON_PATH, VERIFY),
    EntryPoint("`monai.bundle verify_net_in_out`", ELSEWHERE, VERIFY + ABOVE),
    EntryPoint("`monai.bundle ckpt_export`", ELSEWHERE, EXPORT + ABOVE, everywhere=True),
    EntryPoint("`create_workflow`, `check_properties`, `run`", ELSEWHERE, ("-c", WORKFLOW), everywhere=True),
    EntryPoint("`ConfigWorkflow.network_def` before `run`", ELSEWHERE, ("-c", BEFORE_RUN)),
    EntryPoint(
        "`monai.bundle.load(name, bundle_dir=...)` alone: it leaves `bundle_root` at `.`",
        ELSEWHERE,
        ("-c", LOAD_BARE),
        works=False,
    ),
    EntryPoint("`load(..., args_file=...)` with bundle_root, train.json", ELSEWHERE, ("-c", LOAD_TRAIN)),
    EntryPoint(
        "`load(..., args_file=...)` with bundle_root, inference.json", ELSEWHERE, ("-c", LOAD_INFER), everywhere=True
    ),
    EntryPoint("`load(name, bundle_dir=...)`, bundle on `sys.path`", ELSEWHERE, ("-c", LOAD_ON_PATH)),
]


@dataclass(frozen=True)
class Outcome:
    """What came of an entry point: whether it works, and the end of what it wrote."""

    works: bool
    report: str


@dataclass(frozen=True)
class Site:
    """A packed bundle, unpacked, with phantoms beside it.

    Attributes:
        folder: holds everything.
        bundle: the unpacked bundle.
        traced: its network cannot be scripted.
    """

    folder: Path
    bundle: Path
    traced: bool

    def command(self, entry: EntryPoint, out: Path) -> list[str]:
        """Return the command line of an entry point whose results go to `out`."""
        configs = Path("configs") if entry.where == INSIDE else self.bundle / "configs"

        def with_overlay(name: str, overlay: str) -> str:
            files = [configs / name] + [configs / overlay] * (self.bundle / "configs" / overlay).is_file()
            return str([str(file) for file in files])

        words = {
            "{infer}": with_overlay("inference.json", "inference_tiny.json"),
            "{train}": with_overlay("train.json", "tiny.json"),
            "{configs}": str(configs),
            "{weights}": str(configs.parent / "models" / "model.pt"),
            "{bundle}": str(self.bundle),
            "{name}": self.bundle.name,
            "{parent}": str(self.bundle.parent),
            "{data}": str(self.folder / "phantoms"),
            "{out}": str(out),
        }
        arguments = list(entry.arguments)
        if "ckpt_export" in arguments and self.traced:
            arguments += ["--use_trace", "True"]
        for word, value in words.items():
            arguments = [argument.replace(word, value) for argument in arguments]
        return [sys.executable, *arguments]

    def run(self, number: int, entry: EntryPoint) -> Outcome:
        """Run an entry point in an empty folder; it works if it ends well and leaves what it is asked for."""
        empty, out = self.folder / f"empty_{number}", self.folder / f"out_{number}"
        empty.mkdir()
        out.mkdir()
        clean = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
        }
        if entry.where == ON_PATH:
            clean["PYTHONPATH"] = str(self.bundle)
        folder = self.bundle if entry.where == INSIDE else empty
        ended = subprocess.run(
            self.command(entry, out), cwd=folder, env=clean, capture_output=True, text=True, check=False
        )
        leaves = any("{out}" in argument for argument in entry.arguments)
        report = "\n".join((ended.stdout + ended.stderr).splitlines()[-40:])
        return Outcome(ended.returncode == 0 and (not leaves or any(out.iterdir())), report)


def is_traced(bundle: Path) -> bool:
    """Whether the README of a bundle exports its network with `--use_trace`, since it cannot be scripted."""
    return "--use_trace" in (bundle / "docs" / "README.md").read_text(encoding="utf-8")


def paint_phantoms(bundle: Path, folder: Path) -> None:
    """Paint the phantoms that a bundle's tiny.json describes ("_phantoms_", which lacks only the folder)."""
    parser = ConfigParser(ConfigParser.load_config_file(bundle / "configs" / "tiny.json"))
    parser["_phantoms_::output_dir"] = str(folder)
    parser.get_parsed_content("_phantoms_")


@contextmanager
def unpacked(bundle: Path) -> Iterator[Site]:
    """Give a packed bundle, unpacked in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="entry_points_") as temporary:
        folder = Path(temporary)
        torch.save(network_of(bundle).state_dict(), folder / "untrained.pt")
        with zipfile.ZipFile(pack(bundle, folder, weights=folder / "untrained.pt")) as archive:
            archive.extractall(folder / "unpacked")
        paint_phantoms(bundle, folder / "phantoms")
        yield Site(folder, folder / "unpacked" / bundle.name, is_traced(bundle))


def outcomes_of(bundle: Path, entries: Sequence[EntryPoint]) -> list[Outcome]:
    """Try entry points of a bundle, as many at once as there are cores.

    Args:
        bundle: folder in ``bundles/``.
        entries: some of `ENTRY_POINTS`.
    """
    with unpacked(bundle.resolve()) as site, ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(site.run, range(len(entries)), entries))


def main(*bundles: str) -> None:
    """Print the table.

    Args:
        bundles: folders, such as bundles/<name>; without any, every bundle of the repository.
    """
    chosen = [Path(bundle) for bundle in bundles] or bundles_below(ROOT)
    columns = [outcomes_of(bundle, ENTRY_POINTS) for bundle in chosen]
    print("| Entry point | From | " + " | ".join(f"`{bundle.resolve().name}`" for bundle in chosen) + " |")
    print("|---|---|" + "---|" * len(chosen))
    for entry, *outcomes in zip(ENTRY_POINTS, *columns, strict=True):
        cells = ["works" if outcome.works else "**fails**" for outcome in outcomes]
        print(f"| {entry.name} | {entry.where} | {' | '.join(cells)} |")
    expected = all(
        [outcome.works for outcome in column] == [entry.works for entry in ENTRY_POINTS] for column in columns
    )
    sys.exit(0 if expected else 1)


if __name__ == "__main__":
    fire.Fire(main)
