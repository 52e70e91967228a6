import os
import subprocess
import sys
from pathlib import Path

from shared.data import process_share


def test_two_processes_train_like_one_with_the_double_batch_and_tell_of_cases_together():
    script = Path(__file__).with_name("two_processes.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(script)]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)
    assert ended.returncode == 0, ended.stderr[-3000:]


def test_one_process_keeps_all_cases():
    assert process_share(["a", "b", "c"]) == ["a", "b", "c"]
    assert process_share([]) == []
