"""A copy of the repository in which the commands of one README run: small bundles, painted data, an environment."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ci.documents.readme_rules import FULL_SIZE, LINKS, OVERLAYS
from ci.lint.config_files import bundles_below, config_paths
from shared.errors import InputError
from shared.phantoms import (
    paint_brats_phantoms,
    paint_breast_phantoms,
    paint_dicom_phantoms,
    paint_gland_phantoms,
    paint_prostate_phantoms,
)

__all__ = ["copy_repository", "make_small", "paint_data"]

BRAINS = {"num_cases": 6, "size": (20, 24, 18), "spacing_mm": (7.0, 7.0, 7.0)}
PROSTATES = {"num_cases": 6, "size": (24, 26, 14), "spacing_mm": (4.0, 4.0, 5.0)}
BREASTS = {"num_normal": 4, "num_benign": 6, "num_malignant": 4, "size": (96, 128)}
GLANDS = {"num_train": 6, "num_test_a": 2, "num_test_b": 1, "size": (120, 160), "pixel_size_um": 1.24}
STUDIES = {"size": (24, 26, 14), "spacing_mm": (4.0, 4.0, 5.0)}

PAINTED = {  # document, or first word of a bundle's name, to {folder: how it is painted}
    "README.md": {
        "DATA": (paint_brats_phantoms, {**BRAINS, "layout": "brats2023"}),
        "NEW": (paint_brats_phantoms, {**BRAINS, "layout": "brats2023", "num_cases": 2, "seed": 1}),
    },
    "bundles/README.md": {name: (paint_brats_phantoms, BRAINS) for name in ("DATA", "NEW", "phantoms")},
    "ci/README.md": {"DATA": (paint_brats_phantoms, BRAINS)},
    "brats": {"DATA": (paint_brats_phantoms, {**BRAINS, "missing_share": 0.3, "seed": 3})},  # five have FLAIR
    "prostate": {"DATA": (paint_prostate_phantoms, PROSTATES), "studies": (paint_dicom_phantoms, STUDIES)},
    "breast": {"DATA": (paint_breast_phantoms, BREASTS)},
    "colon": {"DATA": (paint_gland_phantoms, GLANDS)},
}
FILES = {  # name in documents to the first file or folder that is painted so
    "one.nii.gz": "DATA/*/*flair.nii.gz",
    "t1ce.nii.gz": "DATA/*/*t1c.nii.gz",
    "flair.nii.gz": "DATA/*/*t2f.nii.gz",
    "STUDY": "studies/*/dicom",
    "one.mha": "studies/*/nifti/t2.nii.gz",
    "t2.mha": "studies/*/nifti/t2.nii.gz",
    "adc.mha": "studies/*/nifti/adc.nii.gz",
}


def copy_repository(root: Path, copy: Path) -> None:
    """Copy what is, or would be, under version control, with a `.venv` that leads to the Python that runs this.

    Raises:
        InputError: it is no checkout.
    """
    listing = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(listing, capture_output=True, text=True, check=False)
    if listed.returncode:
        raise InputError(f"{root}: expected a git checkout ({listed.stderr.strip()}); run this in one.")
    for name in filter(None, listed.stdout.split("\0")):
        if (root / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, copy / name)
    for words in (["init", "-q"], ["add", "-A"]):  # `pack` takes what is under version control
        subprocess.run(["git", "-C", str(copy), *words], check=True)
    programs = copy / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "activate").write_text(f'export PATH="{Path(sys.executable).parent}:$PATH"\n')
    (programs / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (programs / "python").chmod(0o755)
    shutil.copy(copy / "requirements.txt", programs.parent)  # so ci/environment.sh installs nothing


def make_small(document: str, copy: Path) -> None:
    """Put the settings of tiny.json and inference_tiny.json into every bundle's train.json and inference.json.

    Numbers that an overlay sets, too, become those of tiny.json there.
    """
    for bundle in bundles_below(copy):
        if bundle.name in FULL_SIZE.get(document, ()):
            continue
        configs = bundle / "configs"
        tiny, inference_tiny = (_settings(configs / f"{name}.json") for name in ("tiny", "inference_tiny"))
        numbers = {key: value for key, value in tiny.items() if isinstance(value, (int, float, list))}
        for path in config_paths(bundle):
            config = _settings(path)
            if path.name in ("train.json", "inference.json"):
                config |= tiny if path.name == "train.json" else inference_tiny
            else:
                config |= {key: value for key, value in numbers.items() if key in config}
            config |= OVERLAYS.get(path.name, {})
            path.write_text(json.dumps(config, indent=4) + "\n", encoding="utf-8")


def paint_data(document: str, copy: Path) -> None:
    """Paint what a document calls DATA and the like, and make its links to weights that its commands will train."""
    kind = document if document in PAINTED else Path(document).parts[1].split("_")[0]
    for folder, (paint, options) in PAINTED[kind].items():
        paint(output_dir=str(copy / folder), **options)
    for name, pattern in FILES.items():
        if source := next(iter(sorted(copy.glob(pattern))), None):
            _copy_as(source, copy / name)
    for name, target in LINKS.get(document, {}).items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).symlink_to(copy / target)


def _settings(path: Path) -> dict[str, Any]:
    """Return a configuration without its description."""
    config = json.loads(path.read_text(encoding="utf-8"))
    return {key: value for key, value in config.items() if key != "_desc_"}


def _copy_as(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    elif target.suffix == ".mha":
        import itk

        itk.Object.GlobalWarningDisplayOff()  # of what NIfTI has and MetaImage has not
        itk.imwrite(itk.imread(str(source)), str(target))
    else:
        shutil.copy(source, target)
