"""What the application of MONAI Deploy needs no SDK for: its operators, the bundle that they find, its versions."""

import ast
import importlib
import json
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from ci.deploy.packed_bundle import find_bundle, library_of
from ci.release.own_library import own_library

FOLDER = Path("ci/deploy")
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
        library_of(Path("bundles", "prostate_mri_segmentation_expert_consistency"), "inferers")


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
