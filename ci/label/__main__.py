"""Serve a bundle by MONAI Label: `ci/label.sh` runs this in MONAI Label's environment.

The application is MONAI Label's own, "monaibundle". It is copied to `out`, and the bundle into its folder "model" (see
`ci.release.label_bundle`). The server answers on this machine only, asks no model zoo, and offers no training.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import fire

from ci.__main__ import with_texts_as_typed
from ci.experiments.config_files import overlay_names
from ci.release.label_bundle import label_bundle
from shared.errors import InputError, install_excepthook

IMAGES = ["*.nii.gz", "*.nii", "*.nrrd", "*.png", "*.bmp", "*.jpg", "*.jpeg", "*.tif", "*.tiff"]  # in `studies`
OPTIONS = {"zoo_source": "none", "sam2": "false", "skip_trainers": "true"}  # of the application


def main(
    bundle: str,
    studies: str,
    out: str = "label",
    port: int = 8000,
    overlays: str | tuple[str, ...] = (),
    weights: str | None = None,
    **settings: Any,
) -> None:
    """Write the application and start the server; Ctrl-C ends it.

    Args:
        bundle: folder in bundles/.
        studies: folder with images; MONAI Label keeps its list of them, and labels, there.
        out: folder for the application and its logs, which name the images.
        port: of the server on 127.0.0.1.
        overlays: configurations that follow inference.json, with commas.
        weights: a plain state dict.
        **settings: of the bundle, such as --only_modality t1ce.
    """
    if not Path(studies).is_dir():
        raise InputError(f"--studies {studies}: no such folder; name the one that has the images.")
    source, app = Path(sys.prefix) / "monailabel" / "sample-apps" / "monaibundle", Path(out) / "monaibundle"
    if not source.is_dir():
        raise InputError(f"{sys.prefix}: has no MONAI Label; start this with bash ci/label.sh, which installs it.")
    chosen = None if weights is None else Path(weights)
    folder = label_bundle(Path(bundle), app / "model", overlay_names(overlays), settings, chosen)
    shutil.copytree(source, app, dirs_exist_ok=True)
    command = ["start_server", "--app", str(app), "--studies", studies, "--host", "127.0.0.1", "--port", str(port)]
    for name, value in {"models": folder.name, **OPTIONS}.items():
        command += ["--conf", name, value]
    os.environ.pop("PYTHONPATH", None)
    os.environ.setdefault("MONAI_LABEL_DATASTORE_FILE_EXT", json.dumps(IMAGES))
    os.execv(sys.executable, [sys.executable, "-P", "-m", "monailabel.main", *command])


if __name__ == "__main__":
    install_excepthook()
    fire.Fire(with_texts_as_typed(main, sys.argv[1:]), sys.argv[1:], name="ci/label.sh")
