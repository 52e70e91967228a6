"""Empty files under the names of real data sets."""

import json
from pathlib import Path

ALL = ["t1", "t1ce", "t2", "flair"]
FREE = {"flair": "{case}/Flair_*.nii.gz", "brain": "{case}/mask.nii.gz", "label": "{case}/truth[.v2].nii.gz"}


def touch(root, *names):
    for name in names:
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def write_listing(root, **described):
    Path(root).mkdir(parents=True, exist_ok=True)
    Path(root, "dataset.json").write_text(json.dumps(described))


def write_brats2021(root):
    """One case deep and compressed, one flat and not, one with T2 alone; and what macOS leaves behind."""
    touch(root, *[f"HGG/a/a_{name}.nii.gz" for name in (*ALL, "seg")], "HGG/a/._a_flair.nii.gz", ".trash/d_flair.nii")
    touch(root, "b_flair.nii", "b_seg.nii", "LGG/c/c_t2.nii.gz", "readme.txt", "HGG/a/a_flair_pred.nii.gz")
    return root
