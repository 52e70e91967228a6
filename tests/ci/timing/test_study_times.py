"""Seconds and memory of the steps of a study."""

import mmap
import sys
from pathlib import Path

import pytest
from entry_points import save_tiny_weights

from ci.timing.study_times import HEADERS, NETWORK, StepClock, main
from shared.errors import InputError

sys.path.insert(0, str(Path(__file__).parents[2] / "dicom"))
from study_files import write_prostate_study

BUNDLE = Path("bundles/prostate_mri_segmentation_expert_consistency")
MEGABYTES = 64


def test_memory_of_a_step_is_its_own_peak():
    clock = StepClock()
    with clock.step("small"):
        pass
    with clock.step("large"), mmap.mmap(-1, MEGABYTES * 1_000_000) as block:  # memory that was not held before
        for _ in range(MEGABYTES):
            block.write(b"1" * 1_000_000)
    with clock.step("small again"):
        pass
    peaks = {name: megabytes for name, (_, _, megabytes) in clock.rows.items()}
    assert peaks["large"] - peaks["small"] == pytest.approx(MEGABYTES, rel=0.2)
    assert peaks["small again"] < peaks["large"] - MEGABYTES / 2


def test_a_step_within_a_step_counts_once_and_calls_add_up():
    class Step:
        def __call__(self, inner):
            return inner() if inner else None

    clock, step = StepClock(), Step()
    end = clock.watch(Step, "step")
    step(lambda: step(None))
    before = clock.rows["step"][0]
    step(None)
    assert list(clock.rows) == ["step"]
    assert clock.rows["step"][0] > before
    end()
    step(None)
    assert clock.rows["step"][0] < before + 1


def test_every_transform_has_a_row_and_the_network_is_apart(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # which a run sets
    write_prostate_study(tmp_path / "study")
    weights = str(save_tiny_weights(BUNDLE, tmp_path / "tiny.pt"))
    study, out = str(tmp_path / "study"), str(tmp_path / "out")
    main(str(BUNDLE), study, out, overlays="inference_tiny", ckpt_path=weights, resample_modalities=True)
    said = capsys.readouterr().out
    rows = [line.split("|")[1].strip() for line in said.splitlines() if line.startswith("| ")][1:]
    assert rows[0] == HEADERS
    assert rows[3:5] == ["PrepareProstated", NETWORK]
    assert "SaveImageDicomSegd" in rows
    assert "Around the network: " in said


def test_a_setting_of_this_command_is_not_overruled_in_silence(tmp_path):
    with pytest.raises(InputError, match="--dicom_sr: is set by this command"):
        main(str(BUNDLE), str(tmp_path), str(tmp_path), dicom_sr=False)


def test_a_bundle_without_dicom_studies_is_refused(tmp_path):
    with pytest.raises(InputError, match="takes no DICOM studies"):
        main("bundles/colon_gland_segmentation_multiloss", str(tmp_path), str(tmp_path))
