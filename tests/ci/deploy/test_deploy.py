"""The application of MONAI Deploy: what it needs no SDK for, and, where the SDK is, a study through it."""

import ast
import importlib
import json
import os
import re
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
from entry_points import save_tiny_weights

from ci.deploy.packed_bundle import find_bundle, library_of
from ci.release.pack import pack
from shared.phantoms import paint_dicom_phantoms

FOLDER = Path("ci/deploy")
BUNDLES = {
    "prostate": "prostate_mri_segmentation_expert_consistency",
    "brain": "brats_mri_segmentation_expert_consistency",
}
SIZES = {
    "prostate": {"size": (24, 26, 14), "spacing_mm": (4.0, 4.0, 5.0)},
    "brain": {"size": (20, 24, 18), "spacing_mm": (7.0, 7.0, 7.0)},
}
ENVIRONMENT = Path(os.environ.get("DEPLOY_ENVIRONMENT", ".venv-deploy")).absolute()
needs_sdk = pytest.mark.skipif(
    not (ENVIRONMENT / "requirements.txt").is_file(),
    reason="needs MONAI Deploy: bash ci/deploy.sh makes its environment",
)
SEGMENTER = """
class Segmenter:
    def __init__(self, bundle, **settings):
        self.done = [("bundle", bundle), ("settings", settings)]
    def study(self, dicom_dir):
        self.done.append(("study", dicom_dir))
        yield self
        yield self
    def __call__(self, case=None, **volumes):
        self.volumes = volumes
        self.label = [array > 4 for array, _ in volumes.values()][:1]
        return self
    def save(self, output):
        self.done.append(("output", output))
        return output / "case"
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A folder that looks like a packed bundle, with a segmenter that notes what it is asked for."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    bundle = tmp_path / "models" / "toy"
    files = {
        "configs/inference.json": json.dumps({"dicom_seg": False}),
        "toy_lib/__init__.py": "",
        "toy_lib/inferers.py": SEGMENTER,
    }
    files["toy_lib/errors.py"] = "class InputError(ValueError):\n    pass\n"
    for file, text in files.items():
        (bundle / file).parent.mkdir(parents=True, exist_ok=True)
        (bundle / file).write_text(text)
    yield bundle
    for name in [name for name in sys.modules if name.split(".")[0] == "toy_lib"]:
        del sys.modules[name]


def test_the_bundle_is_the_folder_of_models_or_the_only_one_in_it(toy):
    """In an application package the folder of models has a folder per model."""
    assert find_bundle(toy) == find_bundle(toy.parent) == toy
    (toy.parent / "another" / "configs").mkdir(parents=True)
    (toy.parent / "another" / "configs" / "inference.json").touch()
    with pytest.raises(
        ValueError, match=r"models: expected a packed bundle, or a folder with one, found another, toy; "
    ):
        find_bundle(toy.parent)
    with pytest.raises(ValueError, match=r"found none; correct --model\.$"):
        find_bundle(toy / "toy_lib")


def test_a_bundle_that_is_not_packed_is_refused(toy):
    assert library_of(toy, "inferers").Segmenter(toy).done[0] == ("bundle", toy)
    with pytest.raises(ValueError, match=r"has no library of its own; pack it first: python -m ci pack bundles/pro"):
        library_of(Path("bundles", BUNDLES["prostate"]), "inferers")


@pytest.fixture
def without_sdk(monkeypatch):
    """Import a module of the application with an SDK that is not one: operators are made and called, nothing else."""
    core = types.ModuleType("monai.deploy.core")
    for name in ("ExecutionContext", "Fragment", "InputContext", "OperatorSpec", "OutputContext"):
        setattr(core, name, object)
    core.ConditionType = types.SimpleNamespace(NONE=None)
    core.Operator = type("Operator", (), {"__init__": lambda self, fragment, *conditions, name: None})
    core.Image = type("Image", (), {"__init__": lambda self, *parts: setattr(self, "parts", parts)})
    core.Image.asnumpy, core.Image.metadata = (lambda self: self.parts[0]), (lambda self: self.parts[1])
    monkeypatch.setitem(sys.modules, "monai.deploy", types.ModuleType("monai.deploy"))
    monkeypatch.setitem(sys.modules, "monai.deploy.core", core)
    monkeypatch.syspath_prepend(str(FOLDER.absolute()))
    yield importlib.import_module
    for name in ("segment_study", "segment_images", "packed_bundle"):
        sys.modules.pop(name, None)


def test_the_operator_asks_the_bundles_own_segmenter(toy, without_sdk):
    """Of the settings that it adds the bundle has one."""
    study, output, settings = toy.parent / "study", toy.parent / "out", {"overlap": 0.25}
    operator = without_sdk("segment_study").SegmentStudyOperator(
        None, bundle=toy, study=study, output=output, settings=settings, name="segment_study"
    )
    emitted = []
    operator.compute(None, types.SimpleNamespace(emit=lambda *what: emitted.append(what)), None)
    assert emitted == [([output / "case"] * 2, "results")]
    assert operator.segmenter.done == [
        ("bundle", toy),
        ("settings", {"dicom_seg": True, "overlap": 0.25}),
        ("study", study),
        ("output", output),
        ("output", output),
    ]


def test_images_of_the_sdk_are_slices_rows_columns(toy, without_sdk):
    """The voxel of column 2, row 1, slice 0 is 5: it is (2, 1, 0) for the segmenter, and at its place in the result."""
    module = without_sdk("segment_images")
    array = np.zeros((2, 3, 4), np.uint16)
    array[0, 1, 2] = 5
    affine, pixels = np.diag([2.0, 2, 3, 1]), {"row_pixel_spacing": 2, "col_pixel_spacing": 2}
    image = module.Image(array, {module.AFFINE: affine, **pixels})
    operator = module.SegmentImagesOperator(None, bundle=toy, modalities=["t2", "adc"], settings={}, name="segment")
    assert operator.segmenter.done[1] == ("settings", {"reference_modality": "t2"})
    received, emitted = types.SimpleNamespace(receive=lambda name: image), []
    operator.compute(received, types.SimpleNamespace(emit=lambda *what: emitted.append(what)), None)
    assert list(operator.segmenter.volumes) == ["t2", "adc"]
    assert operator.segmenter.volumes["t2"][0][2, 1, 0] == 5
    np.testing.assert_array_equal(operator.segmenter.volumes["t2"][1], affine)
    ((result, port),) = emitted
    assert (port, result.metadata()) == ("seg_image", image.metadata())
    np.testing.assert_array_equal(result.asnumpy(), array == 5)
    image.metadata()["col_pixel_spacing"] = 3
    with pytest.raises(
        ValueError, match=r"^t2: has pixels of 3 x 2 mm, which MONAI Deploy 4\.0\.0 places wrongly unless"
    ):
        operator.compute(received, None, None)


def test_the_folder_stands_alone_since_it_becomes_an_application_package():
    files = sorted(FOLDER.glob("*.py"))
    assert [file.name for file in files] == ["__main__.py", "packed_bundle.py", "segment_images.py", "segment_study.py"]
    for file in files:
        nodes = list(ast.walk(ast.parse(file.read_text())))
        names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        assert not {name.split(".")[0] for name in names} & {"shared", "ci", "bundles", ""}


def test_versions_are_those_of_the_repository_and_of_the_bundles():
    pins, known = (
        dict(re.findall(r"^([\w.\[\]-]+)==(\S+)", Path(file).read_text(), re.MULTILINE))
        for file in (FOLDER / "requirements.txt", "requirements.txt")
    )
    of_sdk = {"monai-deploy-app-sdk", "holoscan-cu13", "holoscan-cli", "tritonclient[all]"}
    assert {name: known.get(name) for name in pins if name not in of_sdk} == {
        name: pins[name] for name in pins if name not in of_sdk
    }
    assert of_sdk < set(pins)


@pytest.fixture(params=BUNDLES)
def site(request, tmp_path):
    """A packed bundle with small weights that are not trained, a painted study for it, and its settings."""
    bundle = Path("bundles", BUNDLES[request.param]).resolve()
    with zipfile.ZipFile(pack(bundle, tmp_path)) as packed:
        packed.extractall(tmp_path / "models")
    weights = save_tiny_weights(bundle, tmp_path / "tiny.pt")
    study = paint_dicom_phantoms(tmp_path / "painted", request.param, **SIZES[request.param]) / "Phantom_000" / "dicom"
    (tmp_path / "app.yaml").write_text(f"segmenter:\n  overlays: [inference_tiny]\n  weights: {weights}\n")
    return tmp_path, tmp_path / "models" / bundle.name, study


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


@needs_sdk
def test_the_segmentation_is_the_label_map_of_inference_json(site, forked_python):
    folder, bundle, study = site
    status, lines = application(folder, study, folder / "models")
    assert status == 0, lines
    files = [str(bundle / "configs" / f"{name}.json") for name in ("inference", "inference_tiny")]
    options = {"bundle_root": bundle, "dicom_dir": study, "ckpt_path": folder / "tiny.pt", "output_dir": folder / "own"}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    ended = forked_python.run(["-m", "monai.bundle", "run", "--config_file", str(files), *words, "--dicom_seg", "True"])
    assert ended.status == 0, ended.output + ended.errors
    (expected,), (found,) = (folder / "own").glob("*/*_seg.nii.gz"), (folder / "out").glob("*/*_seg.nii.gz")
    label_map, classes = nibabel.load(expected), np.asarray(nibabel.load(expected).dataobj)
    assert len(np.unique(classes)) > 2
    np.testing.assert_array_equal(np.asarray(nibabel.load(found).dataobj), classes)
    np.testing.assert_array_equal(on_the_grid_of(label_map, next((folder / "out").glob("*/*_seg.dcm"))), classes)
    one, other = (pydicom.dcmread(next((folder / name).glob("*/*_seg.dcm"))) for name in ("out", "own"))
    assert one.SOPInstanceUID == other.SOPInstanceUID  # a function of series, bundle and label map


@needs_sdk
@pytest.mark.parametrize("site", ["prostate"], indirect=True)
def test_what_a_person_can_mend_is_the_last_line(site):
    folder, bundle, _ = site
    (folder / "nothing").mkdir()
    status, lines = application(folder, folder / "nothing", bundle)
    assert (status, lines[-1]) == (1, "Error: dicom_dir: holds no DICOM file (0 others); give the folder of a study.")
    status, lines = application(folder, folder / "nothing", folder / "nothing")
    assert status == 1
    assert re.fullmatch(r"Error: .*nothing: expected a packed bundle, or a folder with one, found none; .*", lines[-1])


@needs_sdk
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
