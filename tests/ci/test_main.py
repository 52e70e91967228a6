import importlib

import fire
import pytest

from ci.__main__ import COMMANDS, main, overview, with_texts_as_typed
from shared.errors import InputError

MODULES = {name: f"ci.{folder}.{module}" for folder, found in COMMANDS.items() for name, module in found.items()}


@pytest.mark.parametrize("command", MODULES)
def test_every_command_has_a_line_in_the_list_and_in_the_readme(command):
    assert callable(importlib.import_module(MODULES[command]).main)
    (line,) = [line for line in overview().splitlines() if line.startswith(f"  {command} ")]
    assert line.endswith(".")
    assert len(line) <= 120
    with open("ci/README.md") as readme:
        assert f"| `{command}` |" in readme.read()


def test_without_a_command_all_are_listed(capsys):
    main([])
    assert capsys.readouterr().out == overview() + "\n"


def test_help_explains_the_command(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["pack", "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr()
    assert "--weights FILE" in said.out
    assert "folder for the zips" in said.err


def test_an_unknown_command_names_the_known_ones():
    with pytest.raises(InputError, match="tabels: no such command; choose one of study, tables, "):
        main(["tabels"])


def test_an_error_is_one_line_and_status_1_and_the_list_needs_no_path(forked_python):
    """In a fresh clone nothing is on the path but the folder that the command is given in."""
    listed, failed = (forked_python.run(["-m", "ci", *words]) for words in ([], ["tables", "--out", "nowhere"]))
    assert (listed.status, listed.errors) == (0, "")
    assert failed.status == 1
    assert failed.errors == "Error: nothing to merge; write method=evaluation.csv, once for every method.\n"


def test_texts_arrive_as_they_are_typed_and_numbers_as_numbers():
    """Fire would read a folder called 2021 as a number, and run#2 as run."""
    seen = []

    def command(out: str, *runs: str, jobs: int = 1, label: str | None = None) -> None:
        seen.append((out, runs, jobs, label))

    words = ["2021", "run#2", "None", "--jobs", "2", "--label", "1e3"]
    fire.Fire(with_texts_as_typed(command), words)
    assert seen == [("2021", ("run#2", "None"), 2, "1e3")]


def test_other_options_of_a_command_are_read_as_python_reads_them():
    seen = []

    def command(*runs: str, out: str, **settings: object) -> None:
        seen.append((runs, out, settings))

    words = ["2021", "--out", "(x)", "--size", "[1,2]", "--seed=3", "--dataset-dir", "2021", "--label_dir=a#b"]
    words += ["--grades_file", "None", "--split_files", "{'train': 'a'}"]
    fire.Fire(with_texts_as_typed(command, words), words)
    paths = {"dataset_dir": "2021", "label_dir": "a#b", "grades_file": None, "split_files": {"train": "a"}}
    assert seen == [(("2021",), "(x)", {"size": [1, 2], "seed": 3, **paths})]
