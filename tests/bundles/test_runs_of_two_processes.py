"""Two processes train together, or share the cases of an inference."""

import csv
import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from forked_python import Ended, clean_environment
from tiny_bundle import tried_on


def torchrun(arguments):
    """Run `python -m monai.bundle` in two processes, as a person would."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m"]
    options = {"env": {**clean_environment(), "PYTHONPATH": str(Path.cwd())}, "timeout": 600}
    ended = subprocess.run([*command, "monai.bundle", *arguments], capture_output=True, text=True, **options)
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@tried_on("mmformer", "prostate", "breast", "colon")
def test_two_processes_train_and_end_cleanly(monai_bundle, trained, tmp_path):
    """Also with one handler more: no list of handlers is cut by position."""
    handlers = json.loads((trained.root / "configs" / "train.json").read_text())["train"]["handlers"]
    options = {"output_dir": tmp_path, "ckpt_dir": tmp_path, "max_epochs": 1}
    options["train::handlers"] = [{"_target_": "GarbageCollector"}, *handlers]
    ended = monai_bundle(trained.command("train", "multi_gpu_train", **options), processes=2)
    assert ended.status == 0, ended.errors[-3000:]
    assert ended.output.count("epoch 1/1") == 1, "progress is told once, by the first process"
    weights = torch.load(tmp_path / "model_last.pt", weights_only=True)
    expected = torch.load(trained.out / "models" / "model_last.pt", weights_only=True)
    assert {key: value.shape for key, value in weights.items()} == {k: v.shape for k, v in expected.items()}
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert saved["best_metric_epoch"] == 1


@tried_on("vnet")
@pytest.mark.parametrize("with_a_bad_case", [False, True], ids=["forked", "torchrun, one bad"])
def test_two_processes_infer_every_case_once_and_end_with_one_status(monai_bundle, trained, tmp_path, with_a_bad_case):
    """The bad case falls to the second process, and both tell of it."""
    cases = trained.workflow("inference").parser.get_parsed_content("datalist")[:3]
    done = [case["case"] for case in cases]
    if with_a_bad_case:
        cases[1] = {"case": "bad"}
        del done[1]
    run = torchrun if with_a_bad_case else partial(monai_bundle, processes=2)
    ended = run(trained.command("inference", "multi_gpu_inference", output_dir=tmp_path, datalist=cases))
    assert ended.status == int(with_a_bad_case), ended.errors[-3000:]
    assert ("Error: 2 of 3 cases done; not done: case bad: none of its" in ended.errors) == with_a_bad_case
    assert ended.errors.count("Traceback (most recent") == int(with_a_bad_case), "torchrun's own, no process's"
    assert sorted(re.findall(r"progress: case \d/\d: (.+?);", ended.output)) == done
    assert sorted(path.parent.name for path in tmp_path.glob("*/*.json")) == done
    with (tmp_path / "cohort.csv").open() as file:
        rows = {row["case"]: row for row in csv.DictReader(file)}
    assert list(rows) == [case["case"] for case in cases]
    assert {name for name, row in rows.items() if row["status"] == "done" and float(row["seconds"]) > 0} == set(done)
    if with_a_bad_case:
        assert rows["bad"]["reason"].startswith("case bad: none of its")
