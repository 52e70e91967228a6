from pathlib import Path


def test_a_training_killed_at_eight_random_moments_ends_like_an_unbroken_one(tmp_path, forked_python):
    arguments = ["-m", "killed_training", str(tmp_path), "8"]
    ended = forked_python.run(arguments, folder=Path(__file__).parent, on_path=str(Path.cwd()))
    assert ended.status == 0, ended.errors[-2000:]
    assert "8 trainings were killed while they ran" in ended.output
