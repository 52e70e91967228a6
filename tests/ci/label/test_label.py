"""MONAI Label with a packed bundle: its versions, and, where MONAI Label is, images through its REST interface."""

import json
import os
import re
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
from tiny_phantoms import paint_tiny_phantoms

BUNDLE = Path("bundles/prostate_mri_segmentation_expert_consistency").resolve()
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
    """A folder with small weights that are not trained, and a folder with an image of each modality."""
    folder = tmp_path_factory.mktemp("label")
    (folder / "studies").mkdir()
    painted = nibabel.load(next(paint_tiny_phantoms(BUNDLE, folder / "painted", num_cases=1).glob("imagesTr/*")))
    for channel, name in enumerate(("t2", "adc")):
        image = nibabel.Nifti1Image(painted.dataobj[..., channel], painted.affine)
        nibabel.save(image, folder / "studies" / f"one_{name}.nii.gz")
    (folder / "studies" / "damaged.nii.gz").write_bytes(b"no image")
    save_tiny_weights(BUNDLE, folder / "tiny.pt")
    return folder


@pytest.fixture(scope="module")
def server(place):
    """MONAI Label on this machine, with the bundle for T2; ended after the tests."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {"bundle": BUNDLE, "studies": place / "studies", "out": place / "out", "port": port}
    options |= {"overlays": "inference_tiny", "weights": place / "tiny.pt", "only_modality": "t2"}
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
def test_the_server_has_the_bundle_with_its_labels_and_the_option(server):
    _, answer = ask(f"{server}/info/")
    found = json.loads(answer)
    assert found["models"].keys() == {BUNDLE.name}
    assert found["trainers"] == {}
    model = found["models"][BUNDLE.name]
    assert model["labels"] == {"peripheral zone": 1, "transition zone": 2}
    assert (model["type"], model["dimension"], model["config"]["only_modality"]) == ("segmentation", 3, "t2")


@needs_label
@pytest.mark.parametrize("modality", ["t2", "adc"])
def test_the_label_map_is_that_of_inference_json(server, place, forked_python, tmp_path, modality):
    image = f"one_{modality}"
    fields = {} if modality == "t2" else {"params": json.dumps({"only_modality": modality})}
    status, answer = ask(f"{server}/infer/{BUNDLE.name}", fields, image=image, output="image")
    assert status == 200, (place / "log").read_text()[-2000:]
    (tmp_path / "answer.nii.gz").write_bytes(answer)
    files = [str(BUNDLE / "configs" / f"{name}.json") for name in ("inference", "inference_tiny")]
    options = {"bundle_root": BUNDLE, "ckpt_path": place / "tiny.pt", "output_dir": tmp_path / "own"}
    options |= {"datalist": [{"image": str(place / "studies" / f"{image}.nii.gz")}], "only_modality": modality}
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    command = ["-m", "monai.bundle", "run", "--config_file", str(files), *words]
    ended = forked_python.run(command, on_path=str(Path.cwd()))
    assert ended.status == 0, ended.output + ended.errors
    found, own = (nibabel.load(file) for file in (tmp_path / "answer.nii.gz", *tmp_path.glob("own/*/*_seg.nii.gz")))
    assert len(np.unique(own.dataobj)) > 1
    np.testing.assert_array_equal(np.asarray(found.dataobj), np.asarray(own.dataobj))
    np.testing.assert_allclose(found.affine, own.affine, atol=1e-5)


@needs_label
def test_a_damaged_image_is_named_in_the_log_and_the_server_goes_on(server, place):
    """The server logs what was raised after it has answered."""
    assert ask(f"{server}/infer/{BUNDLE.name}", {}, image="damaged", output="json")[0] == 500
    assert ask(f"{server}/infer/{BUNDLE.name}", {}, image="one_t2", output="json")[0] == 200
    assert re.search(r"InputError: .*damaged\.nii\.gz: cannot be read as an image", (place / "log").read_text())


@needs_label
def test_nothing_of_a_case_is_left_in_the_bundle(server, place):
    folder = place / "out" / "monaibundle" / "model" / BUNDLE.name
    assert {path.name for path in folder.iterdir()} == {"LICENSE", "configs", "docs", "models", f"{BUNDLE.name}_lib"}
