"""A bundle's inference in a process of its own: its settings, its command, and how it ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from ci.archive import bundle_run
from ci.archive.bundle_run import BundleRun, Ended
from shared.errors import InputError

BUNDLE = Path("bundles/prostate_mri_segmentation_expert_consistency")


@pytest.fixture
def run(tmp_path):
    """Give a function that makes a run of the prostate bundle."""
    (tmp_path / "model.pt").touch()
    return lambda timeout_s=60.0, **settings: BundleRun(
        BUNDLE, ["inference_tiny"], {"ckpt_path": str(tmp_path / "model.pt"), **settings}, timeout_s
    )


def test_settings_that_cannot_work_are_found_before_the_first_study(run, tmp_path):
    with pytest.raises(InputError, match="--resample: no such setting of prostate_"):
        run(resample=True)
    with pytest.raises(InputError, match="--dicom_dir: is set by this command"):
        run(dicom_dir="x")
    with pytest.raises(InputError, match=r"nothing.pt: no such file; train first"):
        run(ckpt_path=str(tmp_path / "nothing.pt"))
    with pytest.raises(InputError, match="takes no DICOM studies"):
        BundleRun(Path("bundles/colon_gland_segmentation_multiloss"), [], {}, 1.0)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("", Ended("done")),
        ("sys.exit('Error: series 4: no.')", Ended("refused", "series 4: no.")),
        ("raise ValueError('Doe^Jane')", Ended("failed", "ended with status 1 and without a reason")),
        ("os.kill(os.getpid(), 9)", Ended("failed", "ended with status -9 and without a reason")),
        ("time.sleep(60)", Ended("failed", "took longer than 0.3 s")),
        ("assert 'ARCHIVE_PASSWORD' not in os.environ", Ended("done")),
    ],
)
def test_how_a_run_ends(run, code, expected, monkeypatch):
    """A traceback is not a reason: it may quote the patient's name."""
    monkeypatch.setenv("ARCHIVE_PASSWORD", "secret")
    one = run(timeout_s=0.3 if "sleep" in code else 60.0)
    monkeypatch.setattr(one, "command", lambda *folders: [sys.executable, "-S", "-c", f"import os, sys, time; {code}"])
    assert one.on(Path("study"), Path("results")) == expected


def test_the_bundle_is_run_by_its_own_command(run, monkeypatch):
    seen = []
    ended = subprocess.CompletedProcess([], 0, stderr=b"")
    monkeypatch.setattr(bundle_run.subprocess, "run", lambda command, **options: (seen.append(command), ended)[1])
    assert run(dicom_sr=True).on(Path("s"), Path("r")) == Ended("done")
    words = " ".join(map(str, seen[0][1:]))
    assert words.startswith("-m monai.bundle run --config_file ['bundles/prostate")
    assert words.endswith("--dicom_sr True --dicom_seg True --dicom_dir s --output_dir r")
