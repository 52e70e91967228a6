"""Run the inference of a bundle on the DICOM files of a study, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from ci.experiments.config_files import config_files, configuration_with
from shared.errors import InputError

__all__ = ["BundleRun", "Ended"]

SET_HERE = ("bundle_root", "dataset_dir", "dicom_dir", "dicom_seg", "output_dir", "case_names")
SECRETS = ("ARCHIVE_USER", "ARCHIVE_PASSWORD")
LAST_LINE = "Error: "


@dataclass(frozen=True)
class Ended:
    """How a run ended: "done", "refused" or "failed", and why in one line."""

    outcome: str
    reason: str = ""


class BundleRun:
    """The inference of a bundle with its settings.

    Args:
        bundle: its folder, packed or in the repository.
        overlays: names of configurations that follow inference.json.
        settings: of the bundle.
        timeout_s: after which a run is ended.

    Raises:
        InputError: no such configuration or setting, a bundle that takes no DICOM studies, or no weights.
    """

    def __init__(self, bundle: Path, overlays: list[str], settings: Mapping[str, Any], timeout_s: float) -> None:
        self.timeout_s = timeout_s
        names = ["inference", *overlays]
        self.files = config_files(bundle, names, "--overlays")
        parser = configuration_with(bundle, names, settings, SET_HERE)
        if "dicom_seg" not in parser:
            raise InputError(f"{bundle}: takes no DICOM studies; choose another --bundle.")
        weights = Path(parser.get_parsed_content("ckpt_path"))
        if not weights.is_file():
            raise InputError(f"{weights}: no such file; train first, or name weights with --ckpt_path.")
        metadata = ConfigParser.load_config_file(str(bundle / "configs" / "metadata.json"))
        self.name, self.version = metadata["name"], metadata["version"]
        self.settings = {"bundle_root": str(bundle), **settings, "dicom_seg": True}

    def command(self, study: Path, results: Path) -> list[str]:
        """Return the command line for a folder of DICOM files."""
        settings = {**self.settings, "dicom_dir": str(study), "output_dir": str(results)}
        options = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        return [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(self.files), *options]

    def on(self, study: Path, results: Path) -> Ended:
        """Run on a folder of DICOM files.

        The bundle refuses a study with a last line that begins with "Error: ". Whatever else goes wrong is told by the
        status alone, since a traceback may quote the patient's name.
        """
        environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        try:
            ended = subprocess.run(
                self.command(study, results), env=environment, timeout=self.timeout_s, check=False, **pipes
            )
        except subprocess.TimeoutExpired:
            return Ended("failed", f"took longer than {self.timeout_s:g} s")
        if ended.returncode == 0:
            return Ended("done")
        last = ended.stderr.decode("utf-8", errors="replace").strip().splitlines()[-1:]
        if ended.returncode == 1 and last and last[0].startswith(LAST_LINE):
            return Ended("refused", last[0].removeprefix(LAST_LINE))
        return Ended("failed", f"ended with status {ended.returncode} and without a reason")
