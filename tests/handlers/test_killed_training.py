import subprocess
import sys
from pathlib import Path


def test_a_training_killed_at_twenty_random_moments_ends_like_an_unbroken_one(tmp_path):
    script = Path(__file__).with_name("killed_training.py")
    ended = subprocess.run(
        [sys.executable, str(script), str(tmp_path), "20"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": f"{Path.cwd()}:{script.parent}", "OMP_NUM_THREADS": "1", "PATH": ""},
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "trainings were killed while they ran" in ended.stdout
