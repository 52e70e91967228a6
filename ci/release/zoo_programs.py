"""Checks of a packed bundle by programs: Ruff, MONAI, PyTorch's compiler, the zoo's own verify_bundle.py."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import torch
from monai.bundle import verify_net_in_out

from ci.release.bundle_files import large_files
from ci.release.own_library import own_library
from ci.release.pack import network_of

__all__ = ["SCHEMA", "TRACED", "by_verify_bundle", "code", "shapes", "torchscript"]

SCHEMA = Path(__file__).resolve().parents[2] / "tests" / "bundles" / "meta_schema_20240725.json"  # MONAI's, Apache-2.0
TRACED = "traced only"
# The zoo's settings of flake8, isort and black: 120 characters, and black joins lines over a trailing comma.
RUFF = ["--isolated", "--no-cache", "--quiet", "--output-format", "concise"]
RUFF += ["--line-length", "120", "--target-version", "py311"]
LINT = ["check", "--select", "B,C4,E,F,I,N,W", "--ignore", "B023,B028,B905,C408,C419,E501,E741,N812"]
FORMAT = ["format", "--check", "--config", "format.skip-magic-trailing-comma=true"]
SPLIT = ["--config", "lint.isort.split-on-trailing-comma=false"]  # as black does


def code(folder: Path) -> Iterator[str]:
    """The zoo's code style, by Ruff in the place of flake8, isort and black."""
    for words in (LINT, FORMAT):
        command = [sys.executable, "-m", "ruff", *words, *SPLIT, *RUFF, "."]
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        yield from ended.stdout.splitlines()
        if ended.returncode and not ended.stdout:
            yield ended.stderr.strip()


def shapes(folder: Path) -> Iterator[str]:
    """The network takes and gives what the metadata says."""
    paths = {"meta_file": folder / "configs" / "metadata.json", "config_file": folder / "configs" / "inference.json"}
    texts = {key: str(path) for key, path in paths.items()}
    try:
        verify_net_in_out("network_def", bundle_root=str(folder), device="cpu", **texts)
    except Exception as error:  # of the network, whatever it is
        yield " ".join(f"verify_net_in_out: {error}".split())[:200]


def torchscript(folder: Path) -> Iterator[str]:
    """The network can be scripted; if not, the README says how it is exported and the zoo needs its name in a list."""
    try:
        torch.jit.script(network_of(folder).eval())
    except Exception as error:  # the compiler knows a part of Python only
        if "--use_trace" in (folder / "docs" / "README.md").read_text(encoding="utf-8"):
            yield TRACED
        else:
            reason = " ".join(str(error).split())[:200]
            yield f"cannot be scripted, and docs/README.md does not say so (--use_trace): {reason}"


def by_verify_bundle(path: Path, script: Path, mode: str) -> str:
    """Run the zoo's verify_bundle.py on a packed bundle, in a folder as the zoo has it; return what it ends with.

    Weights that are in no zip are random, since the script stops without models/model.pt.

    Args:
        path: of the zip, <name>_v<version>.zip.
        script: ci/verify_bundle.py in a checkout of the zoo, whose models/model_info.json it reads as well.
        mode: "min" as on the zoo's CPU machines, or "full", with the network and its TorchScript.

    Returns:
        "ok", or the error in one line.
    """
    name = path.name.rsplit("_v", 1)[0]
    with tempfile.TemporaryDirectory() as temporary:
        models = Path(temporary, "models")
        with zipfile.ZipFile(path) as archive:
            archive.extractall(models)
        (models / name / "eval").mkdir(exist_ok=True)
        shutil.copy(SCHEMA, models / name / "eval" / "schema.json")  # the zoo downloads it
        used = script.resolve().parents[1] / "models" / "model_info.json"
        (models / "model_info.json").write_text(used.read_text(encoding="utf-8") if used.is_file() else "{}")
        remark = _put_weights(models / name)
        words = [sys.executable, str(script.resolve()), "-b", name, "-p", "models", "-m", mode]
        ended = subprocess.run(words, cwd=temporary, capture_output=True, text=True, check=False)
    if ended.returncode == 0:
        return f"ok{remark}"
    lines = ended.stderr.strip().splitlines() or [f"status {ended.returncode}"]
    errors = [number for number, line in enumerate(lines) if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return " ".join(" ".join(lines[errors[-1] if errors else -1 :]).split())[:300]


def _put_weights(folder: Path) -> str:
    """Write random weights if there are none and no download of them; return a remark if so."""
    weights = folder / "models" / "model.pt"
    if weights.is_file() or "models/model.pt" in [entry.get("path") for entry in large_files(folder)]:
        return ""
    weights.parent.mkdir(exist_ok=True)
    with own_library(folder.name):
        torch.save(network_of(folder).state_dict(), weights)
    return ", with random weights"
