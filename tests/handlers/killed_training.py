"""Train in a child process, kill it at a random moment, resume in another: the end must be that of an unbroken run.

Run by test_killed_training.py in a process of its own, which trains once itself: the children have imported all that a
training needs, and on one thread PyTorch starts no others, which a fork would lose.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from tiny_training import make_training


def in_child(work):
    """Fork, run `work`, end; return the child's id."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            torch.set_num_threads(1)
            work()
            status = 0
        finally:
            os._exit(status)
    return child


def train(folder, resume=False):
    make_training(folder, resume=resume)[0].run()


def main(folder: Path, kills: int) -> None:
    torch.set_num_threads(1)
    train(folder / "whole")
    started = time.monotonic()
    assert os.waitpid(in_child(lambda: train(folder / "again")), 0)[1] == 0
    seconds = time.monotonic() - started
    expected = torch.load(folder / "whole" / "checkpoint.pt", weights_only=True)
    moments = random.Random(0)
    broken_off = 0
    for number in range(10 * kills):
        place = folder / str(number)
        child = in_child(lambda place=place: train(place))
        time.sleep(moments.uniform(0.05, 1.0) * seconds)
        os.kill(child, signal.SIGKILL)
        was_running = os.waitpid(child, 0)[1] == signal.SIGKILL
        broken_off += was_running
        seconds *= 1 if was_running else 0.8  # the first training was slower than the others are now
        saved = (place / "checkpoint.pt").exists()
        assert os.waitpid(in_child(lambda place=place, saved=saved: train(place, resume=saved)), 0)[1] == 0
        found = torch.load(place / "checkpoint.pt", weights_only=True)
        for name in ("network", "loss"):
            for key, value in expected["objects"][name].items():
                assert torch.equal(value, found["objects"][name][key]), f"kill {number}: {name} {key} differs"
        assert found["best_metric"] == expected["best_metric"], f"kill {number}: best score differs"
        best = [torch.load(path / "model.pt", weights_only=True) for path in (folder / "whole", place)]
        assert all(torch.equal(best[0][key], best[1][key]) for key in best[0]), f"kill {number}: best weights differ"
        assert {path.name for path in place.iterdir()} == {"checkpoint.pt", "model.pt", "model_last.pt"}
        if broken_off == kills:
            break
    assert broken_off == kills
    print(f"{kills} trainings were killed while they ran")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
