"""Small cases in files, for tests that read."""

from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
import pytest
from forked_python import ForkedPython
from processes_of_tests import process_of

MODALITIES = ("t1", "t1ce", "t2", "flair")


def paint_head(shape: Sequence[int], seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return four modalities with air at 0, and a label in the values of BraTS up to 2021 (0, 1, 2, 4)."""
    random = np.random.default_rng(seed)
    position = np.stack(np.meshgrid(*[np.linspace(-1, 1, size) for size in shape], indexing="ij"))
    brain = (position**2).sum(0) < 0.7
    radius = np.sqrt(((position - np.array([0.25, -0.1, 0.1])[:, None, None, None]) ** 2).sum(0))
    label = np.where(brain, np.select([radius < 0.15, radius < 0.3, radius < 0.5], [1, 4, 2], 0), 0).astype(np.uint8)
    bright = {"t1": (), "t1ce": (4,), "t2": (1, 2), "flair": (2, 4)}
    images = {}
    for name in MODALITIES:
        tissue = 100 + 60 * np.isin(label, bright[name]) + random.normal(0, 5, shape)
        images[name] = np.where(brain, tissue, 0).astype(np.float32)
    return images, label


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give the tests of a painted bundle, and those of any other file, to one process each."""
    from xdist.scheduler import LoadFileScheduling

    class ByPaintedBundleElseByFile(LoadFileScheduling):
        def _split_scope(self, nodeid):
            return process_of(nodeid)

    return ByPaintedBundleElseByFile(config, log)


@pytest.fixture(scope="session")
def forked_python():
    """Forks for `python -m module` and `python -c code`: processes that know MONAI and nothing of the repository."""
    python = ForkedPython()
    yield python
    python.close()


@pytest.fixture
def oblique():
    """An affine of 1 x 1.5 x 4.5 mm, turned by 20 degrees about z, first axis flipped, away from the origin."""
    return np.array([[-0.9397, -0.5130, 0, 31], [-0.3420, 1.4095, 0, -12.5], [0, 0, 4.5, 7], [0, 0, 0, 1]])


@pytest.fixture
def write_nifti():
    """Give a function that writes an array to a NIfTI file, voxels of 20 mm, and returns the path as text."""

    def write(path, array, affine=None):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(array, np.diag([20.0, 20, 20, 1]) if affine is None else affine), path)
        return str(path)

    return write


@pytest.fixture
def write_case(tmp_path, write_nifti):
    """Give a function that writes a case as BraTS up to 2021 does and returns its item, as `find_mri_cases` would."""

    def write(
        case="BraTS2021_00000", folder=None, modalities=MODALITIES, affine=None, shape=(16, 14, 12), label=True, seed=0
    ):
        folder = Path(folder or tmp_path / "data") / case
        affine = np.diag([4.0, 4, 4, 1]) if affine is None else affine
        images, classes = paint_head(shape, seed)
        item = {name: write_nifti(folder / f"{case}_{name}.nii.gz", images[name], affine) for name in modalities}
        if label:
            item["label"] = write_nifti(folder / f"{case}_seg.nii.gz", classes, affine)
        return {"case": case, "patient": case, **item}

    return write
