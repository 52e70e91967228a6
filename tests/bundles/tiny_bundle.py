"""A bundle in the repository with its tiny settings: build a workflow of it, or the arguments of a command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from monai.bundle import ConfigWorkflow
from processes_of_tests import painted_id

__all__ = ["BUNDLES", "TinyBundle", "tried_on"]

BUNDLES = sorted(path.parent.parent for path in Path("bundles").glob("*/configs/train.json"))


@dataclass(frozen=True)
class TinyBundle:
    """A bundle in the repository, its phantoms, and where a run leaves its results."""

    root: Path
    data: Path
    out: Path

    def files(self, *names: str) -> list[str]:
        return [str(self.root / "configs" / f"{name}.json") for name in names]

    def tiny_files(self, *names: str) -> list[str]:
        """Return the named configs with the tiny settings after the first."""
        return self.files(names[0], "inference_tiny" if names[0] == "inference" else "tiny", *names[1:])

    def settings(self, *names: str) -> dict[str, str]:
        """Return the settings without which nothing runs."""
        inference = names[0] == "inference"
        return {
            "bundle_root": str(self.root),
            "dataset_dir": str(self.data),
            "output_dir": str(self.out),
            "ckpt_path" if inference else "ckpt_dir": str(self.out / "models" / ("model.pt" if inference else "")),
        }

    def workflow(self, *names: str, **options) -> ConfigWorkflow:
        """Build and initialise a workflow of the named configs, tiny settings included."""
        kind = "infer" if names[0] == "inference" else "train"
        settings = {**self.settings(*names), **options}
        workflow = ConfigWorkflow(self.tiny_files(*names), logging_file=False, workflow_type=kind, **settings)
        workflow.initialize()
        return workflow

    def command(self, *names: str, **options) -> list[str]:
        """Return the arguments of `python -m monai.bundle` for the same."""
        settings = {**self.settings(*names), **options}
        arguments = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        return ["run", "--config_file", str(self.tiny_files(*names)), *arguments]

    def run(self, *names: str, **options) -> ConfigWorkflow:
        """Run to the end, without the curves' figure: it takes longer than most tiny trainings."""
        workflow = self.workflow(*names, **options)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("shared.handlers.training_log.draw_epoch_rows", lambda path, *rows: path.touch())
            workflow.run()
        workflow.finalize()
        return workflow


def tried_on(*words: str) -> pytest.MarkDecorator:
    """Try a test on the bundles that have one of these words in their names; on all of them without this mark."""
    chosen = [bundle for bundle in BUNDLES if any(word in bundle.name for word in words)]
    assert len(chosen) >= len(words)
    return pytest.mark.parametrize("painted", chosen, indirect=True, ids=painted_id)
