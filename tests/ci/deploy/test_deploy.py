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
from PIL import Image

from ci.deploy.packed_bundle import find_bundle, library_of
from ci.release.own_library import own_library
from ci.release.pack import pack
from shared.phantoms import paint_breast, paint_dicom_phantoms

sys.path.insert(0, str(Path(__file__).parents[2] / "dicom"))
from test_ultrasound import write as write_ultrasound

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
def toy(tmp_path):
    """A folder that looks like a packed bundle, with a segmenter that notes what it is asked for."""
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
    with own_library("toy"):
        yield bundle


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


@needs_sdk
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


@needs_sdk
@pytest.mark.parametrize("site", ["gland"], indirect=True)
def test_a_bundle_of_pictures_without_dicom_is_refused(site):
    folder, bundle, study = site
    status, lines = application(folder, study, bundle)
    assert (status, lines[-1]) == (1, f"Error: dicom_dir: {bundle.name} reads no DICOM studies; give pictures.")


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
