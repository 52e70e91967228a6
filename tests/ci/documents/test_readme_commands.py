import csv
import os
import re
from pathlib import Path

import pytest

from ci.documents import readme_commands
from ci.documents.command_blocks import blocks_of
from ci.documents.outcome_table import Outcome, row_start, write_list, write_table
from ci.documents.readme_commands import ROOT, documents_below, main, reason_to_skip, run_document
from ci.documents.readme_rules import SHORTER, SKIPPED
from ci.documents.run_block import run_block, shorter
from ci.documents.scratch_copy import PAINTED, copy_repository, make_small
from shared.errors import InputError

README = """
```bash
B=one; C="two"
echo $B > made
```
```bash
cat made; echo $B | grep -q one
```
```bash
echo first; echo the last line; false
```
```bash
serve-archive
```
```text
echo --max_epochs 30
```
```python
assert open("made").read() == "one\\n" + word
```
"""


TABLE_HEAD = "\n| README | command | outcome | s | why |\n|---|---|---|---:|---|\n"


def all_blocks():
    return [block for name in documents_below(ROOT) for block in blocks_of((ROOT / name).read_text(encoding="utf-8"))]


def test_blocks_run_in_order_and_the_table_says_what_came_of_each(tmp_path, monkeypatch):
    monkeypatch.setattr(readme_commands, "FIRST", {"": "set -x"})
    monkeypatch.setattr(readme_commands, "FIRST_IN_PYTHON", {"README.md": "word = ''"})
    (tmp_path / "README.md").write_text(README)
    outcomes = list(run_document("README.md", tmp_path, tmp_path / "logs", timeout_s=60))
    assert [found.outcome for found in outcomes] == ["done", "done", "failed", "skipped", "skipped", "done"]
    assert outcomes[2].why == "status 1: + false"
    assert outcomes[3].why.startswith("needs other software")
    assert outcomes[4].why == "no command"
    assert outcomes[3].seconds is None
    assert "the last line" in (tmp_path / "logs" / f"README-{outcomes[2].line}.txt").read_text()
    write_list(outcomes, tmp_path / "commands.csv")
    write_table(outcomes, tmp_path / "commands.md", ["README.md"])
    text = (tmp_path / "commands.md").read_text()
    assert "\n3 done, 1 failed, 2 skipped.\n" in text
    assert "`cat made; echo $B \\| grep -q one`" in text
    with (tmp_path / "commands.csv").open() as file:
        assert [row["line"] for row in csv.DictReader(file)] == [str(found.line) for found in outcomes]


def test_a_table_keeps_the_rows_of_other_readmes_and_replaces_those_of_a_new_run(tmp_path):
    path, known = tmp_path / "commands.md", ["README.md", "ci/README.md"]
    write_table([Outcome("ci/README.md", 3, "a | b", "failed", 1.5, "status 1: no")], path, known)
    write_table([Outcome("README.md", 7, "c", "skipped", None, "no command")], path, known)
    rows = [
        "| README.md | `c` | skipped |  | no command |",
        "| ci/README.md | `a \\| b` | failed | 1.5 | status 1: no |",
    ]
    assert path.read_text().endswith("\n0 done, 1 failed, 1 skipped.\n" + TABLE_HEAD + "\n".join(rows) + "\n")
    write_table([Outcome("ci/README.md", 3, "d", "done", 2.0, "")], path, known)
    assert path.read_text().splitlines()[-2:] == [rows[0], "| ci/README.md | `d` | done | 2.0 |  |"]
    write_table([Outcome("README.md", 7, "c", "done", 1.0, "")], path, ["README.md"])
    assert "ci/README.md" not in path.read_text(), "it is no README any more"


def test_the_kept_table_has_every_command_of_every_readme_and_none_failed():
    kept = [
        line for line in (ROOT / "ci" / "commands.md").read_text(encoding="utf-8").splitlines() if "README.md |" in line
    ]
    for name in documents_below(ROOT):
        rows = [line for line in kept if line.startswith(f"| {name} |")]
        starts = []
        for block in blocks_of((ROOT / name).read_text(encoding="utf-8")):
            why = reason_to_skip(block)
            starts.append(row_start(name, block.shown) + (f"skipped |  | {why} |" if why else "done | "))
        differ = [start for start in starts if not any(row.startswith(start) for row in rows)]
        advice = f"run `python -m ci readme-commands --documents {name} --out commands --table ci/commands.md`"
        assert not differ, f"ci/commands.md lacks {differ}; {advice}"
        assert len(rows) == len(starts), f"ci/commands.md has commands that {name} has no more; {advice}"
    assert not [line for line in kept if "` | failed | " in line]


def test_what_takes_too_long_is_ended_with_all_that_it_started(tmp_path):
    (process,) = blocks_of("```bash\nbash -c 'echo $$ > started; sleep 60; true' | cat\n```")
    assert run_block(process, [], "", tmp_path, tmp_path / "log.txt", timeout_s=1) == "took longer than 1 s"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "started").read_text()), 0)


def test_a_failure_decides_the_status_and_is_named(tmp_path, monkeypatch):
    (tmp_path / "README.md").write_text("```bash\nfalse\n```\n")
    monkeypatch.setattr(readme_commands, "documents_below", lambda root: ["README.md"])
    monkeypatch.setattr(readme_commands, "copy_repository", lambda root, copy: copy.mkdir() or _write(copy))
    monkeypatch.setattr(readme_commands, "paint_data", lambda document, copy: None)
    monkeypatch.setattr(readme_commands, "FIRST", {"": "true"})
    with pytest.raises(InputError, match=r"commands\.md: 1 commands fail, README\.md:2; mend them"):
        main(out=str(tmp_path / "out"))
    with pytest.raises(InputError, match=r"documents: x\.md is no README of this repository; choose from README\.md"):
        main(out=str(tmp_path / "out"), documents="x.md")


def _write(copy):
    (copy / "README.md").write_text("```bash\nfalse\n```\n")


def test_every_readme_has_data_and_commands_that_run():
    for name in documents_below(ROOT):
        assert name in PAINTED or name.split("/")[1].split("_")[0] in PAINTED
        blocks = blocks_of((ROOT / name).read_text(encoding="utf-8"))
        assert any(block.shown.startswith(("python", "torchrun")) and not reason_to_skip(block) for block in blocks)


@pytest.mark.parametrize("pattern", SHORTER)
def test_every_rule_that_shortens_is_needed(pattern):
    assert any(re.search(pattern, re.sub(r"\s*\\\n\s*", " ", block.text)) for block in all_blocks())


@pytest.mark.parametrize("pattern", SKIPPED)
def test_every_rule_that_skips_is_needed(pattern):
    assert any(re.search(pattern, block.text, re.MULTILINE) for block in all_blocks())


def test_commands_are_run_as_they_are_printed_but_for_the_rules():
    assert (
        shorter("python -m monai.bundle run \\\n  --dataset_dir DATA")
        == "python -m monai.bundle run --dataset_dir DATA"
    )
    assert shorter("--max_epochs 40 --val_interval 10") == "--max_epochs 1 --val_interval 1"
    other = """--config_file "['$C/train.json','$C/network_rfnet.json']" --dataset_dir DATA"""
    assert "rfnet.json']\" --ckpt_dir alternative --output_dir alternative --dataset_dir" in shorter(other)


def test_the_copy_has_small_bundles_an_environment_and_version_control(tmp_path, tmp_path_factory):
    copy_repository(ROOT, tmp_path)
    assert (tmp_path / ".git").is_dir(), "pack takes weights that are under version control"
    make_small("README.md", tmp_path)
    prostate = tmp_path / "bundles" / "prostate_mri_segmentation_expert_consistency" / "configs" / "train.json"
    assert '"max_epochs": 2' in prostate.read_text()
    assert '"max_epochs": 2' in prostate.with_name("network_rfnet.json").read_text(), "it comes behind train.json"
    kept = Path("bundles/breast_ultrasound_segmentation_interaction/configs/train.json")
    assert (tmp_path / kept).read_bytes() == (ROOT / kept).read_bytes()
    assert (tmp_path / "requirements.txt").read_bytes() == (tmp_path / ".venv" / "requirements.txt").read_bytes()
    with pytest.raises(InputError, match="expected a git checkout"):
        copy_repository(tmp_path_factory.mktemp("no_checkout"), tmp_path / "again")
