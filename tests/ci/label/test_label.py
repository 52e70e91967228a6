"""MONAI Label with a packed bundle: its versions, and, where MONAI Label is, images through its REST interface."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

import nibabel
import numpy as np
import pytest
from entry_points import save_tiny_weights
from PIL import Image
from tiny_phantoms import paint_tiny_phantoms

from shared.phantoms import paint_breast, paint_dicom_phantoms

NAMES = {
    "prostate": "prostate_mri_segmentation_expert_consistency",
    "mmformer": "brats_mri_segmentation_pareto_mmformer",
    "vnet": "brats_mri_segmentation_pareto_vnet",
    "breast": "breast_ultrasound_segmentation_interaction",
    "gland": "colon_gland_segmentation_multiloss",
}
BUNDLES = {short: Path("bundles", name).resolve() for short, name in NAMES.items()}
NOT_TRAINED = ("prostate", "vnet", "gland")  # bundles without included weights get small ones
MODALITIES = {"prostate": "t2", "mmformer": "flair"}  # that the server is started with
REQUESTS = [  # server, image, modality of the request
    ("prostate", "one_t2.nii.gz", None),
    ("prostate", "one_adc.nii.gz", "adc"),
    ("mmformer", "one_flair.nii.gz", None),
    ("mmformer", "one_t1ce.nii.gz", "t1ce"),
    ("vnet", "one_flair.nii.gz", None),
    ("breast", "lossless.png", None),
    ("breast", "lossy.jpg", None),
    ("gland", "gland.bmp", None),
]
of_prostate = pytest.mark.parametrize("server", ["prostate"], indirect=True)
ENVIRONMENT = Path(os.environ.get("LABEL_ENVIRONMENT", ".venv-label")).absolute()
needs_label = pytest.mark.skipif(
    not (ENVIRONMENT / "requirements.txt").is_file(),
    reason="needs MONAI Label: bash ci/label.sh makes its environment",
)
open_url = build_opener(ProxyHandler({})).open


def test_versions_are_those_of_the_repository_but_for_two():
    """pydicom-seg, which MONAI Label 0.8.5 imports, needs older ones."""
    pins, known = (
        dict(re.findall(r"^([\w.\[\]-]+)==(\S+)", Path(file).read_text(), re.MULTILINE))
        for file in ("ci/label/requirements.txt", "requirements.txt")
    )
    assert {name for name in pins if name in known and pins[name] != known[name]} == {"numpy", "pydicom"}
    assert len(pins.keys() & known.keys()) > 10


def ask(url, data=None, **query):
    """Return status and bytes of an answer; `data` are the fields of a form."""
    request = Request(f"{url}?{urlencode(query)}", data=None if data is None else urlencode(data).encode())
    try:
        with open_url(request, timeout=300) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        return error.code, error.read()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with small weights that are not trained, and a folder with images."""
    folder = tmp_path_factory.mktemp("label")
    studies = folder / "studies"
    studies.mkdir()
    painted = nibabel.load(next(paint_tiny_phantoms(BUNDLES["prostate"], folder / "p", 1).glob("imagesTr/*")))
    for channel, name in enumerate(("t2", "adc")):
        image = nibabel.Nifti1Image(painted.dataobj[..., channel], painted.affine)
        nibabel.save(image, studies / f"one_{name}.nii.gz")
    paint_dicom_phantoms(folder / "brain", "brain", size=(20, 24, 18), spacing_mm=(7.0, 7.0, 7.0))
    for name in ("flair", "t1ce"):
        shutil.copy(folder / "brain" / "Phantom_000" / "nifti" / f"{name}.nii.gz", studies / f"one_{name}.nii.gz")
    for name in ("lossless.png", "lossy.jpg"):
        Image.fromarray(paint_breast((0, 1, 1), (96, 128), kind="benign")[0]).save(studies / name)
    shutil.copy(paint_tiny_phantoms(BUNDLES["gland"], folder / "gland") / "testA_1.bmp", studies / "gland.bmp")
    (studies / "damaged.nii.gz").write_bytes(b"no image")
    for short in NOT_TRAINED:
        save_tiny_weights(BUNDLES[short], folder / f"{short}.pt")
    return folder


@pytest.fixture(scope="module")
def server(place, request):
    """MONAI Label on this machine, with one bundle; ended after the bundle's tests."""
    short = request.param
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {"bundle": BUNDLES[short], "studies": place / "studies", "out": place / f"out_{short}", "port": port}
    if short in NOT_TRAINED:
        options |= {"overlays": "inference_tiny", "weights": place / f"{short}.pt"}
    if short in MODALITIES:
        options["only_modality"] = MODALITIES[short]
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    with (place / "log").open("w") as log:
        environment = {**os.environ, "LABEL_ENVIRONMENT": str(ENVIRONMENT)}
        process = subprocess.Popen(["bash", "ci/label.sh", *words], env=environment, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(1200):  # the first import takes long
            assert process.poll() is None, (place / "log").read_text()[-2000:]
            try:
                ask(f"{url}/info/")
                break
            except URLError:
                time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


@needs_label
@of_prostate
def test_the_server_has_the_bundle_with_its_labels_and_the_option(server):
    _, answer = ask(f"{server}/info/")
    found = json.loads(answer)
    assert found["models"].keys() == {NAMES["prostate"]}
    assert found["trainers"] == {}
    model = found["models"][NAMES["prostate"]]
    assert model["labels"] == {"peripheral zone": 1, "transition zone": 2}
    assert (model["type"], model["dimension"], model["config"]["only_modality"]) == ("segmentation", 3, "t2")


@needs_label
@pytest.mark.parametrize(("server", "image", "modality"), REQUESTS, indirect=["server"])
def test_the_label_map_is_that_of_inference_json(server, image, modality, request, place, forked_python, tmp_path):
    """Of a picture it is a PNG, and the answer as JSON has the classes' probabilities."""
    short = request.node.callspec.params["server"]
    bundle, is_picture = BUNDLES[short], short in ("breast", "gland")
    fields = {} if modality is None else {"params": json.dumps({"only_modality": modality})}
    name = image.removesuffix(".gz").rsplit(".", 1)[0]
    status, answer = ask(f"{server}/infer/{bundle.name}", fields, image=name, output="image")
    assert status == 200, (place / "log").read_text()[-2000:]
    found_path = tmp_path / ("answer.png" if is_picture else "answer.nii.gz")
    found_path.write_bytes(answer)
    configs = ["inference", "inference_tiny"] if short in NOT_TRAINED else ["inference"]
    options = {"bundle_root": bundle, "output_dir": tmp_path / "own"}
    options |= {"datalist": [{"image": str(place / "studies" / image)}]}
    options |= {"ckpt_path": place / f"{short}.pt"} if short in NOT_TRAINED else {}
    options |= {"only_modality": modality or MODALITIES[short]} if short in MODALITIES else {}
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    files = [str(bundle / "configs" / f"{config}.json") for config in configs]
    command = ["-m", "monai.bundle", "run", "--config_file", str(files), *words]
    ended = forked_python.run(command, on_path=str(Path.cwd()))
    assert ended.status == 0, ended.output + ended.errors
    (own_path,) = tmp_path.glob("own/*/*_seg.png" if is_picture else "own/*/*_seg.nii.gz")
    found, own = (
        np.asarray(Image.open(path) if is_picture else nibabel.load(path).dataobj) for path in (found_path, own_path)
    )
    assert len(np.unique(own)) > 1
    np.testing.assert_array_equal(found, own)
    if is_picture:
        said = json.loads(ask(f"{server}/infer/{bundle.name}", {}, image=name, output="json")[1])
        record = json.loads(next(tmp_path.glob("own/*/*.json")).read_text())
        assert said["class_probabilities"] == pytest.approx(record["class_probabilities"], abs=1e-5)
    else:
        np.testing.assert_allclose(nibabel.load(found_path).affine, nibabel.load(own_path).affine, atol=1e-5)


@needs_label
@of_prostate
def test_a_damaged_image_is_named_in_the_log_and_the_server_goes_on(server, place):
    """The server logs what was raised after it has answered."""
    assert ask(f"{server}/infer/{NAMES['prostate']}", {}, image="damaged", output="json")[0] == 500
    assert ask(f"{server}/infer/{NAMES['prostate']}", {}, image="one_t2", output="json")[0] == 200
    assert re.search(r"InputError: .*damaged\.nii\.gz: cannot be read as an image", (place / "log").read_text())


@needs_label
@of_prostate
def test_nothing_of_a_case_is_left_in_the_bundle(server, place):
    name = NAMES["prostate"]
    folder = place / "out_prostate" / "monaibundle" / "model" / name
    assert {path.name for path in folder.iterdir()} == {"LICENSE", "configs", "docs", "models", f"{name}_lib"}
