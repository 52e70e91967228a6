"""A training or a cohort that is broken off and resumed ends with the results of an unbroken one."""

import json
from pathlib import Path

import pytest
import torch
from ignite.engine import Events
from tiny_bundle import tried_on


class Stop(Exception):
    """Stands for a kill signal."""


def stop(engine):
    raise Stop


@tried_on("mmformer", "prostate", "colon")
def test_n_epochs_equal_k_and_n_minus_k_bit_for_bit(trained, tmp_path):
    workflow = trained.workflow("train", output_dir=str(tmp_path), ckpt_dir=str(tmp_path))
    workflow.trainer.add_event_handler(Events.EPOCH_STARTED(once=2), stop)
    with pytest.raises(RuntimeError, match="Failed to evaluate"):
        workflow.run()
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["epoch"] == 1
    trained.run("train", "resume", output_dir=str(tmp_path), ckpt_dir=str(tmp_path))
    expected = torch.load(trained.out / "models" / "checkpoint.pt", weights_only=True)
    resumed = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert resumed["epoch"] == expected["epoch"] == 2
    assert resumed["best_metric"] == expected["best_metric"]
    for name in ("network", "loss"):
        for key, value in expected["objects"][name].items():
            assert torch.equal(value, resumed["objects"][name][key]), (name, key)
    assert (tmp_path / "curves.csv").read_text() == (trained.out / "curves.csv").read_text()


TIMES = ("written_utc", "seconds_since_reading_began")


def results(folder):
    """Every file below a folder with its content, without the times in records and table."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for name, content in found.items():
        if name.endswith(".json"):
            found[name] = {key: value for key, value in json.loads(content).items() if key not in TIMES}
        elif name.startswith("cohort."):
            separator = "," if name.endswith(".csv") else " | "
            rows = [line.split(separator) for line in content.decode().splitlines()]
            found[name] = [row[:2] + row[3:] for row in rows]
    return found


@tried_on("vnet")
def test_a_cohort_killed_twice_ends_with_the_results_of_an_unbroken_run(trained, tmp_path, forked_python):
    """First both of two processes are killed, then one."""
    cases = trained.workflow("inference").parser.get_parsed_content("datalist")[:5]
    trained.run("inference", output_dir=str(tmp_path / "whole"), datalist=cases)
    settings = {**trained.settings("inference"), "skip_finished": True}
    settings |= {"datalist": cases, "output_dir": str(tmp_path / "killed")}
    files = trained.tiny_files("inference", "multi_gpu_inference")
    arguments = ["-m", "killed_inference", json.dumps([files, settings, len(cases), 0])]
    ended = forked_python.run(arguments, on_path=str(Path(__file__).parent), seconds=300)
    assert ended.status == 0, ended.errors[-3000:]
    assert ended.output.count(" of the processes were killed") == 2
    expected = results(tmp_path / "whole")
    assert len(expected) == 4 * len(cases) + 2
    assert results(tmp_path / "killed") == expected
