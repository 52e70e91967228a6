"""Kill the processes of a cohort's inference at random moments and start it again, until it comes to its end.

Run by test_resumed_runs.py in a process of its own, which knows MONAI: the children have imported it.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from forked_python import variables_of
from monai.bundle import ConfigWorkflow

PROCESSES = 2


def in_child(variables, files, settings):
    """Fork, infer, end; return the child's id."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(120)
            os.environ.update(variables)
            torch.set_num_threads(1)
            workflow = ConfigWorkflow(files, logging_file=False, workflow_type="infer", **settings)
            workflow.initialize()
            workflow.run()
            workflow.finalize()
            status = 0
        finally:
            os._exit(status)
    return child


def main(files: list[str], settings: dict, whole: int, seed: int) -> None:
    """Infer with both processes killed, then with one killed, then to the end.

    Args:
        files: configurations.
        settings: by name.
        whole: number of cases.
        seed: of the moments.
    """
    folder, moments = Path(settings["output_dir"]), random.Random(seed)
    done = 0
    for killed in (range(PROCESSES), moments.sample(range(PROCESSES), 1)):
        children = [in_child(variables, files, settings) for variables in variables_of(PROCESSES)]
        while len(list(folder.glob("*/*.json"))) <= done:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.2))  # a case takes longer
        for number in killed:
            os.kill(children[number], signal.SIGKILL)
        statuses = [os.waitpid(child, 0)[1] for child in children]
        assert all(statuses), "a process that lost the other one came to a good end"
        done = len(list(folder.glob("*/*.json")))
        print(f"{done} of {whole} cases were done when {len(killed)} of the processes were killed", flush=True)
    children = [in_child(variables, files, settings) for variables in variables_of(PROCESSES)]
    assert not any(os.waitpid(child, 0)[1] for child in children)


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
