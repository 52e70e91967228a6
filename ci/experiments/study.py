"""Train and evaluate variants of a bundle with several seeds, and make their table.

    python -m ci study --bundle bundles/brats_mri_segmentation_pareto_vnet --out study --seeds 0,1 \
        --variants "ours; without rho: no_rho; baseline: baseline" --dataset_dir /data/brats --max_epochs 100

A variant has a name and, after the colon, the overlays that make it, joined by commas. `--variants table.json` reads
them from a file: {name: {"overlays": [...], further settings}}; there "seeds": [0] gives a variant seeds of its own.
All other options are the bundle's settings, the same for every variant. With `--folds 0,1,2,3` (and `--num_folds 4`)
the folds of a seed count as one run.

Runs that are done are left alone, an interrupted one goes on from its checkpoint, so that the command can be given
again; with other settings it is refused, since it would show the scores of the old ones. `--jobs 2` does two runs at a
time, which share the processor's cores (small networks gain little from many threads) and the GPU. Results:
<out>/<variant>/seed<n>/ for every run, and <out>/table.md, .csv, .png (`python -m ci tables`). With `--evaluation
evaluate_subsets` every subset of the modalities is scored, and the results are <out>/table_subsets.*.

`--weights_of study` trains nothing: it scores the weights of that finished study on other cases, such as all of
another data set (`--dataset_dir DATA --split_fractions "[0, 0, 1]"`).
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import re
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

from ci.experiments import tables
from ci.experiments.training_run import TABLES, check_settings, train_and_evaluate
from shared.errors import InputError, find_input_error

Variants = dict[str, dict[str, Any]]  # name to settings; "overlays" and "seeds" among them


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


def listed(numbers: Any, name: str) -> list[int]:
    """Return what `fire` made of "0" or "0,1,2", or the list that a file has, as a list."""
    found = list(numbers) if isinstance(numbers, (list, tuple)) else [numbers]
    if not found or len(set(found)) < len(found) or any(type(number) is not int for number in found):
        raise InputError(f"{name}: give whole numbers, every one once, not {numbers!r}.")
    return found


def trained_run(folder: Path) -> str:
    """Return a run's folder, if its training is done."""
    if not (folder / "models" / "model_last.pt").is_file():
        raise InputError(f"weights_of: {folder} has no trained weights; give the --out of a study with this run.")
    return str(folder)


def run_jobs(jobs: int, tasks: Sequence[tuple[Any, ...]]) -> None:
    """Call `train_and_evaluate` with each of the arguments, so many at a time; the first error ends what waits."""
    if jobs == 1:
        for arguments in tasks:
            train_and_evaluate(*arguments)
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    context = multiprocessing.get_context("spawn")  # a forked process cannot use a GPU that its parent has used
    threads = max(1, cores // jobs)
    with ProcessPoolExecutor(jobs, context, torch.set_num_threads, (threads,), max_tasks_per_child=1) as pool:
        futures = [pool.submit(named_run, *arguments) for arguments in tasks]
        try:
            for future in futures:
                future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def named_run(
    bundle: Path, variant: dict[str, Any], folder: Path, settings: dict[str, Any], evaluation: str = "evaluate"
) -> None:
    """Train and evaluate in a process of its own, whose messages begin with the run's name."""
    make_record = logging.getLogRecordFactory()

    def record(name: str, level: int, file: str, line: int, message: str, *rest: Any, **more: Any) -> logging.LogRecord:
        return make_record(name, level, file, line, f"{folder.parent.name}/{folder.name}: {message}", *rest, **more)

    logging.setLogRecordFactory(record)
    try:
        train_and_evaluate(bundle, variant, folder, settings, evaluation)
    except Exception as error:  # on its way to the first process it loses its causes
        raise find_input_error(error) or error from None
    finally:
        logging.setLogRecordFactory(make_record)


def main(
    bundle: str,
    out: str,
    variants: str,
    seeds: Any = 0,
    folds: Any = None,
    jobs: int = 1,
    evaluation: str = "evaluate",
    weights_of: str | None = None,
    printed: str | None = None,
    **settings: Any,
) -> None:
    """Run a study.

    Args:
        bundle: its folder.
        out: folder of all runs and of the table.
        variants: "name; name: overlay,overlay; ..." or a JSON file.
        seeds: a run each, e.g. 0,1,2; of variants that name none of their own.
        folds: of a cross-validation (set --num_folds as well), e.g. 0,1,2,3.
        jobs: how many runs at a time.
        evaluation: the bundle's overlay that scores a run: evaluate or evaluate_subsets.
        weights_of: --out of a finished study, whose weights are scored; nothing is trained.
        printed: a JSON file with the numbers of a paper's table, rows of the study's own table.
        settings: of the bundle, for all variants.
    """
    if not isinstance(jobs, int) or jobs < 1:
        raise InputError(f"jobs: give how many runs at a time, 1 or more, not {jobs!r}.")
    if evaluation not in TABLES:
        raise InputError(f"evaluation: give one of {', '.join(TABLES)}, not {evaluation!r}.")
    scores, table = TABLES[evaluation]
    rows, tasks, names = [], [], {}
    for name, variant in read_variants(variants).items():
        slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
        if names.setdefault(slug, name) != name:
            raise InputError(f"variants: {names[slug]!r} and {name!r} would share the folder {slug}; rename one.")
        of_seeds = []
        for seed in listed(variant.pop("seeds", seeds), f"seeds of {name}"):
            of_folds = []
            for fold in [None] if folds is None else listed(folds, "folds"):
                folder = Path(out) / slug / (f"seed{seed}" if fold is None else f"seed{seed}-fold{fold}")
                of_run = {"seed": seed} if fold is None else {"seed": seed, "fold": fold}
                if weights_of is not None:
                    of_run["weights_of"] = trained_run(Path(weights_of) / folder.relative_to(out))
                tasks.append((Path(bundle), variant, folder, {**settings, **of_run}, evaluation))
                of_folds.append(str(folder / scores))
            of_seeds.append("+".join(of_folds))
        rows.append(f"{name}={','.join(of_seeds)}")
    for _, variant, folder, of_run, _ in tasks:  # all of them before hours are spent on the first
        check_settings(folder, {**of_run, **variant})
    run_jobs(jobs, tasks)
    tables.main(*rows, out=str(Path(out) / table), printed=printed)
