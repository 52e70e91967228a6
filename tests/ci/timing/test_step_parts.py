"""The parts of a training step, with their seconds."""

from types import SimpleNamespace

import pytest
import torch
from timed_bundle import BUNDLE, ON_CPU

from ci.timing import step_parts, step_times
from shared.errors import InputError


def test_a_profile_has_all_parts_of_a_training_and_leaves_no_files(phantoms, capsys, tmp_path, monkeypatch):
    """Two epochs of two steps, validated and drawn each; the first one does not count."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(BUNDLE.rglob("*"))
    options = {"overlays": "tiny", "warm_up": 1, "repeats": 1, "dataset_dir": phantoms, **ON_CPU}
    step_times.main(str(BUNDLE), "fp32", profile=True, **options)
    assert not list(tmp_path.glob("tmp*")), "but for the cache of torch.compile"
    assert set(BUNDLE.rglob("*")) == before
    _, _, form, _, head, _, *rows = capsys.readouterr().out.strip().splitlines()
    assert (form, head) == ("fp32:", "| part | seconds a step | share (%) |")
    cells = {row.split("|")[1].strip(): [float(cell) for cell in row.split("|")[2:4]] for row in rows}
    assert [part for part in step_parts.PARTS if part not in cells] == ["figures"], "drawn in every tenth epoch"
    assert list(cells)[-1] == "all"
    assert cells["all"][1] == 100
    assert sum(share for part, (_, share) in cells.items() if part != "all") == pytest.approx(100, abs=1)


def test_a_clock_counts_what_is_within_another_part_once(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(step_parts, "time", SimpleNamespace(process_time=lambda: now[0]))

    def passes(seconds):
        now[0] += seconds

    def log():
        passes(2)
        draw()
        passes(1)

    clock = step_parts.Clock(torch.device("cpu"))
    draw, log = clock.timed("figures", lambda: passes(4)), clock.timed("log", log)
    clock.switch("forward")
    passes(8)
    log()
    passes(16)
    clock.switch("rest")
    assert dict(clock.seconds) == {"rest": 0.0, "forward": 24.0, "log": 3.0, "figures": 4.0}
    assert step_parts.table({"log": 3.0, "forward": 9.0, "figures": 0.0}, steps=2).splitlines()[2:] == [
        "| forward | 4.5000 | 75.0 |",
        "| log | 1.5000 | 25.0 |",
        "| all | 6.0000 | 100.0 |",
    ]


def test_a_compiled_form_has_no_profile():
    with pytest.raises(InputError, match="'fp32 compiled' has no profile"):
        step_times.main(str(BUNDLE), "fp32; fp32 compiled", profile=True)
