from pathlib import Path

from shared.data import process_share


def test_two_processes_train_like_one_with_the_double_batch_and_tell_of_cases_together(forked_python):
    options = {"folder": Path(__file__).parent, "on_path": str(Path.cwd()), "seconds": 240}
    ended = forked_python.run(["-m", "two_processes"], processes=2, **options)
    assert ended.status == 0, ended.errors[-3000:]


def test_one_process_keeps_all_cases():
    assert process_share(["a", "b", "c"]) == ["a", "b", "c"]
    assert process_share([]) == []
