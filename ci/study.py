"""Train and evaluate several variants of a bundle, each with several seeds, and lay their scores side by side.

    python ci/study.py --bundle bundles/brats_mri_segmentation_pareto_vnet --out study --seeds 0,1 \
        --variants "ours; without rho: no_rho; baseline: baseline" --dataset_dir /data/brats --max_epochs 100

A variant has a name and, behind the colon, the overlays that make it, joined by commas. `--variants table.json` reads
them from a file: {name: {"overlays": [...], further settings}}. All other options are the bundle's settings, the same
for every variant. With `--folds 0,1,2,3` (and `--num_folds 4`) the folds of a seed count as one run.

Runs that are done are left alone, an interrupted one goes on from its checkpoint, so that the command can be given
again. Results: <out>/<variant>/seed<n>/ for every run, and <out>/table.md, .csv, .png (`ci/tables.py`).
"""

from __future__ import annotations

import gc
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fire
from monai.bundle import ConfigWorkflow

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ci import tables  # noqa: E402
from shared.errors import InputError  # noqa: E402
from shared.handlers import install_one_line_errors  # noqa: E402

Variants = dict[str, dict[str, Any]]  # name to settings; "overlays" among them


def read_variants(variants: str) -> Variants:
    """Return the variants that the text, or the JSON file that it names, describes."""
    if variants.endswith(".json"):
        try:
            return json.loads(Path(variants).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{variants}: cannot be read as a JSON file of variants ({error}).") from error
    found = {}
    for part in variants.split(";"):
        name, _, overlays = (text.strip() for text in part.partition(":"))
        if not name or name in found:
            raise InputError(f'variants: write "name; name: overlay,overlay", every name once, not {variants!r}.')
        found[name] = {"overlays": [overlay.strip() for overlay in overlays.split(",") if overlay.strip()]}
    return found


def listed(numbers: Any) -> list[int]:
    """Return what `fire` made of "0" or "0,1,2" as a list."""
    return [int(number) for number in (numbers if isinstance(numbers, Sequence) else [numbers])]


def run(bundle: Path, overlays: Sequence[str], settings: dict[str, Any]) -> None:
    """Run train.json with overlays and settings, as `python -m monai.bundle run` would."""
    files = [str(bundle / "configs" / f"{name}.json") for name in ("train", *overlays)]
    workflow = ConfigWorkflow(
        files,
        workflow_type="train",
        logging_file=str(bundle / "configs" / "logging.conf"),
        bundle_root=str(bundle),
        **settings,
    )
    workflow.initialize()
    workflow.run()
    workflow.finalize()
    del workflow
    gc.collect()  # engines and handlers refer to one another


def train_and_evaluate(bundle: Path, variant: dict[str, Any], folder: Path, settings: dict[str, Any]) -> Path:
    """Do what is left of one run and return its evaluation.csv."""
    settings = {**settings, **variant, "output_dir": str(folder), "ckpt_dir": str(folder / "models")}
    overlays = settings.pop("overlays", [])
    models = folder / "models"
    if not (models / "model_last.pt").is_file():
        going_on = ["resume"] if (models / "checkpoint.pt").is_file() else []
        run(bundle, [*overlays, *going_on], settings)
    if not (folder / "evaluation.csv").is_file():
        run(bundle, [*overlays, "evaluate"], settings)
    return folder / "evaluation.csv"


def main(bundle: str, out: str, variants: str, seeds: Any = 0, folds: Any = None, **settings: Any) -> None:
    """Run a study.

    Args:
        bundle: its folder.
        out: folder of all runs and of the table.
        variants: "name; name: overlay,overlay; ..." or a JSON file.
        seeds: a run each, e.g. 0,1,2.
        folds: of a cross-validation (set --num_folds as well), e.g. 0,1,2,3.
        settings: of the bundle, for all variants.
    """
    chosen = read_variants(variants)
    runs = []
    for name, variant in chosen.items():
        slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
        of_seeds = []
        for seed in listed(seeds):
            of_folds = []
            for fold in [None] if folds is None else listed(folds):
                folder = Path(out) / slug / (f"seed{seed}" if fold is None else f"seed{seed}-fold{fold}")
                of_run = {"seed": seed} if fold is None else {"seed": seed, "fold": fold}
                of_folds.append(str(train_and_evaluate(Path(bundle), variant, folder, {**settings, **of_run})))
            of_seeds.append("+".join(of_folds))
        runs.append(f"{name}={','.join(of_seeds)}")
    tables.main(*runs, out=str(Path(out) / "table"))


if __name__ == "__main__":
    install_one_line_errors()
    fire.Fire(main)
