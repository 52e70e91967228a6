"""A study through the application of MONAI Deploy, where the SDK is: bash ci/deploy.sh makes its environment."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
from entry_points import save_tiny_weights
from PIL import Image

from ci.release.pack import pack
from shared.phantoms import paint_breast, paint_dicom_phantoms

sys.path.insert(0, str(Path(__file__).parents[2] / "dicom"))
from ultrasound_files import write_ultrasound

FOLDER = Path("ci/deploy")
BUNDLES = {
    "prostate": "prostate_mri_segmentation_expert_consistency",
    "brain": "brats_mri_segmentation_expert_consistency",
    "vnet": "brats_mri_segmentation_pareto_vnet",
    "mmformer": "brats_mri_segmentation_pareto_mmformer",
    "breast": "breast_ultrasound_segmentation_interaction",
    "gland": "colon_gland_segmentation_multiloss",
}
INCLUDED_WEIGHTS = ("brain", "mmformer", "breast")
PROSTATE = {"size": (24, 26, 14), "spacing_mm": (4.0, 4.0, 5.0)}
BRAIN = {"size": (20, 24, 18), "spacing_mm": (7.0, 7.0, 7.0)}
ENVIRONMENT = Path(os.environ.get("DEPLOY_ENVIRONMENT", ".venv-deploy")).absolute()
pytestmark = pytest.mark.skipif(
    not (ENVIRONMENT / "requirements.txt").is_file(),
    reason="needs MONAI Deploy: bash ci/deploy.sh makes its environment",
)


def paint_study(kind, folder):
    """Paint a study; of ultrasound an image and one of two frames."""
    if kind in ("breast", "gland"):
        (folder / "study").mkdir()
        one, two, three = (paint_breast((0, 1, number), (96, 128), kind="benign")[0] for number in range(3))
        write_ultrasound(folder / "study", one, number=1)
        write_ultrasound(folder / "study", np.stack([two, three]), number=2, frames=2)
        return folder / "study"
    kind, size = ("prostate", PROSTATE) if kind == "prostate" else ("brain", BRAIN)
    return paint_dicom_phantoms(folder / "painted", kind, **size) / "Phantom_000" / "dicom"


@pytest.fixture(params=["prostate", "brain", "vnet", "mmformer", "breast"])
def site(request, tmp_path):
    """A packed bundle with its weights, or with small ones that are not trained, a painted study, and the settings."""
    bundle = Path("bundles", BUNDLES[request.param]).resolve()
    with zipfile.ZipFile(pack(bundle, tmp_path)) as packed:
        packed.extractall(tmp_path / "models")
    settings = "  overlays: []\n"
    if request.param not in INCLUDED_WEIGHTS:
        settings = f"  overlays: [inference_tiny]\n  weights: {save_tiny_weights(bundle, tmp_path / 'tiny.pt')}\n"
    (tmp_path / "app.yaml").write_text(f"segmenter:\n{settings}")
    return tmp_path, tmp_path / "models" / bundle.name, paint_study(request.param, tmp_path)


def application(folder, study, model):
    """Run the application; return status and lines."""
    words = ["bash", "ci/deploy.sh", "--input", study, "--output", folder / "out", "--model", model]
    variables = {**os.environ, "DEPLOY_ENVIRONMENT": str(ENVIRONMENT), "HOLOSCAN_CONFIG_PATH": str(folder / "app.yaml")}
    ended = subprocess.run(list(map(str, words)), env=variables, capture_output=True, text=True, check=False)
    return ended.returncode, (ended.stdout + ended.stderr).strip().splitlines()


def on_the_grid_of(label_map, segmentation):
    """Return the classes of a Segmentation on the grid of a label map, by world coordinates."""
    volume = highdicom.seg.segread(segmentation).get_volume(combine_segments=True)
    to_voxels = np.linalg.inv(label_map.affine) @ np.diag([-1, -1, 1, 1]) @ volume.affine
    places = np.argwhere(np.asarray(volume.array) > 0)
    voxels = (places @ to_voxels[:3, :3].T + to_voxels[:3, 3]).round().astype(int)
    classes = np.zeros(label_map.shape, np.uint8)
    classes[tuple(voxels.T)] = np.asarray(volume.array)[tuple(places.T)]
    return classes


def inference_of(bundle, folder, study, python):
    """Run the bundle's own inference.json on the study, into <folder>/own."""
    tiny = folder / "tiny.pt"
    names = ("inference", "inference_tiny") if tiny.is_file() else ("inference",)
    options = {"bundle_root": bundle, "dicom_dir": study, "output_dir": folder / "own", "dicom_seg": True}
    options |= {"ckpt_path": tiny} if tiny.is_file() else {}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    files = [str(bundle / "configs" / f"{name}.json") for name in names]
    ended = python.run(["-m", "monai.bundle", "run", "--config_file", str(files), *words])
    assert ended.status == 0, ended.output + ended.errors


def test_the_segmentation_is_the_label_map_of_inference_json(site, forked_python):
    """Of ultrasound there is one of every picture, whose pixels are those of the image that it refers to."""
    folder, bundle, study = site
    status, lines = application(folder, study, folder / "models")
    assert status == 0, lines
    inference_of(bundle, folder, study, forked_python)
    expected, found = (sorted((folder / kind).glob("*/*_seg.*")) for kind in ("own", "out"))
    assert [file.name for file in found] == [file.name for file in expected]
    assert len(found) == (6 if "ultrasound" in bundle.name else 2)
    for written, own, file in zip(found[::2], expected[::2], found[1::2], strict=True):
        one, other = pydicom.dcmread(written), pydicom.dcmread(own)
        assert one.SOPInstanceUID == other.SOPInstanceUID  # a function of images, bundle and label map
        if file.suffix == ".png":
            regions = np.asarray(Image.open(file))
            np.testing.assert_array_equal(regions, np.asarray(Image.open(own.with_suffix(".png"))))
            np.testing.assert_array_equal(one.pixel_array.squeeze(), regions)
        else:
            label_map = nibabel.load(own.with_suffix("").with_suffix(".nii.gz"))
            classes = np.asarray(label_map.dataobj)
            assert len(np.unique(classes)) > 2
            np.testing.assert_array_equal(np.asarray(nibabel.load(file).dataobj), classes)
            np.testing.assert_array_equal(on_the_grid_of(label_map, written), classes)


@pytest.mark.parametrize("site", ["gland"], indirect=True)
def test_a_bundle_of_pictures_without_dicom_is_refused(site):
    folder, bundle, study = site
    status, lines = application(folder, study, bundle)
    assert (status, lines[-1]) == (1, f"Error: dicom_dir: {bundle.name} reads no DICOM studies; give pictures.")


@pytest.mark.parametrize("site", ["prostate"], indirect=True)
def test_what_a_person_can_mend_is_the_last_line(site):
    folder, bundle, _ = site
    (folder / "nothing").mkdir()
    status, lines = application(folder, folder / "nothing", bundle)
    assert (status, lines[-1]) == (1, "Error: dicom_dir: holds no DICOM file (0 others); give the folder of a study.")
    status, lines = application(folder, folder / "nothing", folder / "nothing")
    assert status == 1
    assert re.fullmatch(r"Error: .*nothing: expected a packed bundle, or a folder with one, found none; .*", lines[-1])


@pytest.mark.parametrize("site", ["prostate"], indirect=True)
def test_between_the_sdks_own_operators_the_label_map_is_the_same(site):
    """Loader, selectors, volumes and writer are the SDK's; the bundle reads the study itself for comparison."""
    folder, bundle, study = site
    status, lines = application(folder, study, folder / "models")
    assert status == 0, lines
    variables = {**os.environ, "PYTHONPATH": str(FOLDER), "HOLOSCAN_CONFIG_PATH": str(folder / "app.yaml")}
    program = [ENVIRONMENT / "bin" / "python", "tests/ci/deploy/images_application.py"]
    words = [*program, "--input", study, "--output", folder / "sdk", "--model", bundle]
    ended = subprocess.run(list(map(str, words)), env=variables, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    label_map = nibabel.load(next((folder / "out").glob("*/*_seg.nii.gz")))
    (segmentation,) = (folder / "sdk").glob("*.dcm")
    np.testing.assert_array_equal(on_the_grid_of(label_map, segmentation), np.asarray(label_map.dataobj))
