"""Try every way into a packed bundle, and print what works as a Markdown table.

    PYTHONPATH=. python tests/bundles/entry_points.py [bundles/<name> ...]

The bundle is packed with weights of its untrained network and unpacked elsewhere. Every entry point runs on phantoms,
in a process of its own that knows nothing of the repository, forked from an interpreter that has imported MONAI. The
tests (tests/bundles) use the same rows.
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import fire
import torch
from forked_python import ForkedPython
from monai.bundle import ConfigParser
from tiny_phantoms import paint_tiny_phantoms

from ci.lint.config_files import bundles_below
from ci.release.pack import network_of, pack

__all__ = ["ENTRY_POINTS", "EntryPoint", "Outcome", "is_traced", "outcomes_of"]

ROOT = Path(__file__).resolve().parents[2]
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
INFER = ("-m", "monai.bundle", "run", "--config_file", "{infer}", *DATA, "--ckpt_path", "{tiny_weights}")
TRAIN = ("-m", "monai.bundle", "run", "--config_file", "{train}", *DATA, "--ckpt_dir", "{out}", "--max_epochs", "1")
NETWORK = ("network_def", "--config_file", "{configs}/inference.json", "--meta_file", "{configs}/metadata.json")
VERIFY = ("-m", "monai.bundle", "verify_net_in_out", *NETWORK)
EXPORT = ("-m", "monai.bundle", "ckpt_export", *NETWORK, "--ckpt_file", "{weights}", "--filepath", "{out}/model.ts")
WORKFLOW = """
from monai.bundle import create_workflow
settings = {"bundle_root": "{bundle}", "dataset_dir": "{data}", "output_dir": "{out}", "ckpt_path": "{tiny_weights}"}
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
SEGMENTER = """
import sys
from monai.bundle import ConfigParser
sys.path.insert(0, "{bundle}")
from {name}_lib.inferers import Segmenter
segmenter = Segmenter(weights="{tiny_weights}", overlays=["inference_tiny"])
parser = ConfigParser(ConfigParser.load_config_file("{configs}/inference.json"))
parser["dataset_dir"] = "{data}"
case = parser.get_parsed_content("datalist")[0]
inputs = {key: case[key] for key in (*(segmenter.modalities or ()), "image", "brain") if key in case}
segmenter(**inputs).save("{out}")
"""

ENTRY_POINTS = [
    EntryPoint("`monai.bundle run`, inference", INSIDE, INFER),
    EntryPoint("`monai.bundle run`, training", INSIDE, TRAIN),
    EntryPoint("`monai.bundle verify_net_in_out`", INSIDE, VERIFY),
    EntryPoint("`monai.bundle ckpt_export`", INSIDE, EXPORT),
    EntryPoint("`monai.bundle run`, inference", ELSEWHERE, INFER + ABOVE),
    EntryPoint("`monai.bundle run`, training", ELSEWHERE, TRAIN + ABOVE),
    EntryPoint("`monai.bundle run`, inference", ON_PATH, INFER + ABOVE),
    EntryPoint("`monai.bundle verify_net_in_out`", ON_PATH, VERIFY),
    EntryPoint("`monai.bundle verify_net_in_out`", ELSEWHERE, VERIFY + ABOVE),
    EntryPoint("`monai.bundle ckpt_export`", ELSEWHERE, EXPORT + ABOVE),
    EntryPoint("`create_workflow`, `check_properties`, `run`", ELSEWHERE, ("-c", WORKFLOW), everywhere=True),
    EntryPoint("`ConfigWorkflow.network_def` before `run`", ELSEWHERE, ("-c", BEFORE_RUN)),
    EntryPoint(
        "`monai.bundle.load(name, bundle_dir=...)` alone: it leaves `bundle_root` at `.`",
        ELSEWHERE,
        ("-c", LOAD_BARE),
        works=False,
    ),
    EntryPoint("`load(..., args_file=...)` with bundle_root, train.json", ELSEWHERE, ("-c", LOAD_TRAIN)),
    EntryPoint("`load(..., args_file=...)` with bundle_root, inference.json", ELSEWHERE, ("-c", LOAD_INFER)),
    EntryPoint("`load(name, bundle_dir=...)`, bundle on `sys.path`", ELSEWHERE, ("-c", LOAD_ON_PATH)),
    EntryPoint("`Segmenter` of the bundle's library, bundle on `sys.path`", ELSEWHERE, ("-c", SEGMENTER)),
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
        tiny_weights: those for inference_tiny.json, of a network that is not trained.
    """

    folder: Path
    bundle: Path
    traced: bool
    tiny_weights: Path

    def command(self, entry: EntryPoint, out: Path) -> list[str]:
        """Return Python's arguments for an entry point whose results go to `out`."""
        configs = Path("configs") if entry.where == INSIDE else self.bundle / "configs"

        words = {
            "{infer}": str([f"{configs}/inference.json", f"{configs}/inference_tiny.json"]),
            "{train}": str([f"{configs}/train.json", f"{configs}/tiny.json"]),
            "{configs}": str(configs),
            "{weights}": str(configs.parent / "models" / "model.pt"),
            "{bundle}": str(self.bundle),
            "{name}": self.bundle.name,
            "{parent}": str(self.bundle.parent),
            "{data}": str(self.folder / "phantoms"),
            "{out}": str(out),
            "{tiny_weights}": str(self.tiny_weights),
        }
        arguments = list(entry.arguments)
        if "ckpt_export" in arguments and self.traced:
            arguments += ["--use_trace", "True"]
        for word, value in words.items():
            arguments = [argument.replace(word, value) for argument in arguments]
        return arguments

    def run(self, number: int, entry: EntryPoint, python: ForkedPython) -> Outcome:
        """Run an entry point in an empty folder; it works if it ends well and leaves what it is asked for."""
        empty, out = self.folder / f"empty_{number}", self.folder / f"out_{number}"
        empty.mkdir()
        out.mkdir()
        folder, on_path = (self.bundle if entry.where == INSIDE else empty), str(self.bundle) * (entry.where == ON_PATH)
        ended = python.run(self.command(entry, out), folder, on_path=on_path)
        leaves = any("{out}" in argument for argument in entry.arguments)
        report = "\n".join((ended.output + ended.errors).splitlines()[-40:])
        return Outcome(ended.status == 0 and (not leaves or any(out.iterdir())), report)


def is_traced(bundle: Path) -> bool:
    """Whether the README of a bundle exports its network with `--use_trace`, since it cannot be scripted."""
    return "--use_trace" in (bundle / "docs" / "README.md").read_text(encoding="utf-8")


def save_tiny_weights(bundle: Path, path: Path) -> Path:
    """Write weights of the network that inference_tiny.json makes of inference.json's, the same ones each time."""
    parser = ConfigParser()
    parser.read_config([bundle / "configs" / name for name in ("inference.json", "inference_tiny.json")])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(parser.get_parsed_content("network_def").state_dict(), path)
    return path


@contextmanager
def unpacked(bundle: Path, with_weights: bool) -> Iterator[Site]:
    """Give a packed bundle, with or without weights of its own, unpacked in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="entry_points_") as temporary:
        folder = Path(temporary)
        if with_weights:
            torch.save(network_of(bundle).state_dict(), folder / "untrained.pt")
        options = {"weights": folder / "untrained.pt"} if with_weights else {}
        with zipfile.ZipFile(pack(bundle, folder, **options)) as archive:
            archive.extractall(folder / "unpacked")
        paint_tiny_phantoms(bundle, folder / "phantoms", num_cases=3)  # each is inferred several times
        tiny = save_tiny_weights(bundle, folder / "tiny.pt")
        yield Site(folder, folder / "unpacked" / bundle.name, is_traced(bundle), tiny)


def outcomes_of(bundle: Path, entries: Sequence[EntryPoint], python: ForkedPython) -> list[Outcome]:
    """Try entry points of a bundle.

    Args:
        bundle: folder in ``bundles/``.
        entries: some of `ENTRY_POINTS`.
        python: forks for each of them.
    """
    with_weights = any("{weights}" in word for entry in entries for word in entry.arguments)
    with unpacked(bundle.resolve(), with_weights) as site:
        return [site.run(number, entry, python) for number, entry in enumerate(entries)]


def main(*bundles: str) -> None:
    """Print the table.

    Args:
        bundles: folders, such as bundles/<name>; without any, every bundle of the repository.
    """
    chosen = [Path(bundle) for bundle in bundles] or bundles_below(ROOT)
    python = ForkedPython()
    columns = [outcomes_of(bundle, ENTRY_POINTS, python) for bundle in chosen]
    python.close()
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
