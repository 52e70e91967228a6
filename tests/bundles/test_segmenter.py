"""One call in Python gives what inference.json gives, for every bundle that is there."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from PIL import Image
from tiny_bundle import tried_on

from shared.errors import InputError
from shared.inferers import Segmenter

TIMES = ("written_utc", "seconds_since_reading_began")


@pytest.fixture
def no_drawing(monkeypatch):
    """Figures are empty files, which are there sooner."""

    def touch(*data, **named):
        next(value for value in data if hasattr(value, "touch")).touch()

    for place in ("save_case.draw_overlay", "save_experts.draw_experts", "save_picture_case.draw_picture_overlay"):
        monkeypatch.setattr(f"shared.transforms.{place}", touch)


@pytest.fixture
def case(trained):
    """One case of the bundle's phantoms, with as many modalities as there are."""
    return max(trained.workflow("inference").parser.get_parsed_content("datalist"), key=len)


def segmenter_of(bundle, **settings):
    weights = bundle.out / "models" / "model.pt"
    return Segmenter(bundle.root, weights=weights, device="cpu", overlays=["inference_tiny"], **settings)


def inputs_of(case, segmenter):
    known = [*(segmenter.modalities or ()), "image", "brain"]
    return {name: case[name] for name in known if name in case}


def written(folder):
    """Contents of a case's files, and its record without times."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    (name,) = (name for name in files if name.endswith(".json"))
    record = {key: value for key, value in json.loads(files.pop(name)).items() if key not in TIMES}
    return files, record


def test_writes_what_inference_writes(trained, case, tmp_path, no_drawing, capfd):
    trained.run("inference", datalist=[case], output_dir=str(tmp_path / "run"), save_probabilities=True)
    capfd.readouterr()
    segmenter = segmenter_of(trained, save_probabilities=True)
    result = segmenter(**inputs_of(case, segmenter), case=case["case"])
    folder = result.save(tmp_path / "call")
    assert capfd.readouterr() == ("", "")
    files, record = written(folder)
    assert len(files) >= 4
    assert (files, record) == written(tmp_path / "run" / case["case"])
    assert set(record) - set(result.record) == {"outputs"}
    with np.load(next(folder.glob("*_probabilities.npz"))) as saved:
        np.testing.assert_array_equal(saved["probabilities"], result.probabilities.numpy())
        assert len(saved["classes"]) == len(result.probabilities)
    certain = result.probabilities.float().max(dim=0, keepdim=True).values
    np.testing.assert_allclose(certain, 1 - result.uncertainty, atol=2e-3)


@tried_on("mmformer")
def test_arrays_give_what_files_give(trained, case, no_drawing, tmp_path):
    segmenter = segmenter_of(trained)
    files = inputs_of(case, segmenter)
    expected = segmenter(**files)
    images = {name: nibabel.load(file) for name, file in files.items()}
    pairs = {name: (np.asarray(image.dataobj), image.affine) for name, image in images.items()}
    tensors = {
        name: MetaTensor(torch.from_numpy(array)[None], affine=affine) for name, (array, affine) in pairs.items()
    }
    for given in (images, pairs, tensors):
        found = segmenter(**given, case="arrays")
        assert torch.equal(found.label.as_tensor(), expected.label.as_tensor())
        assert torch.equal(found.uncertainty.as_tensor(), expected.uncertainty.as_tensor())
    saved = nibabel.load(found.save(tmp_path) / "arrays_seg.nii.gz")
    np.testing.assert_allclose(saved.affine, nibabel.load(next(iter(files.values()))).affine, atol=1e-4)
    assert found.record["inputs"] == {}


@tried_on("breast")
def test_pictures_in_memory_give_what_files_give(trained, case):
    segmenter = segmenter_of(trained)
    expected = segmenter(case["image"])
    picture = Image.open(case["image"])
    colours = torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1) / 255
    for given in (picture, np.array(picture), colours):
        assert torch.equal(segmenter(given).uncertainty, expected.uncertainty)
    assert expected.record["case"] == case["case"]


@tried_on("vnet")
def test_threads_give_what_one_after_the_other_gives(trained):
    segmenter = segmenter_of(trained)
    cases = trained.workflow("inference").parser.get_parsed_content("datalist")[:3] * 2
    expected = [segmenter(**inputs_of(case, segmenter)) for case in cases]
    assert not torch.equal(expected[0].uncertainty, expected[1].uncertainty)
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda case: segmenter(**inputs_of(case, segmenter)), cases))
    for one, other in zip(found, expected, strict=True):
        assert one.record["inputs"] == other.record["inputs"]
        assert torch.equal(one.uncertainty, other.uncertainty)


@tried_on("vnet")
def test_inference_uses_the_temperature_that_calibrate_fits(trained, case, tmp_path):
    weights = Path(shutil.copy(trained.out / "models" / "model.pt", tmp_path))
    trained.run("train", "calibrate", ckpt_path=str(weights), output_dir=str(tmp_path / "out"))
    temperature = json.loads((tmp_path / "model.temperature.json").read_text())["temperature"]
    parser = trained.workflow("train", "calibrate").parser
    calibrated, splits = (parser.get_parsed_content(part) for part in ("validate::dataset::data", "splits"))
    assert calibrated == splits["validation"] != splits["test"]
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"calibration.png", "risk_coverage.png"}
    plain, found = (Segmenter(trained.root, weights, "cpu", ["inference_tiny"], **t) for t in ({"temperature": 1}, {}))
    plain, found = (segmenter(**inputs_of(case, segmenter)) for segmenter in (plain, found))
    assert found.record["settings"]["temperature"] == temperature != 1
    assert torch.equal(found.label.as_tensor(), plain.label.as_tensor())
    inside = plain.uncertainty[0].as_tensor() > 0  # the rest is outside of what the network sees
    before, after = (result.probabilities.as_tensor().float()[:, inside] for result in (plain, found))
    warmer = (before + 1e-6).log().div(temperature).softmax(dim=0)
    torch.testing.assert_close(after, warmer, atol=5e-3, rtol=0)


@tried_on("breast", "colon")
def test_inference_of_pictures_uses_both_temperatures(trained, case, tmp_path):
    weights = Path(shutil.copy(trained.out / "models" / "model.pt", tmp_path))
    trained.run("train", "calibrate", ckpt_path=str(weights), output_dir=str(tmp_path / "out"))
    written = json.loads((tmp_path / "model.temperature.json").read_text())
    plain, found = (
        Segmenter(trained.root, weights, "cpu", ["inference_tiny"], **given)(case["image"])
        for given in ({"temperature": 1, "class_temperature": 1}, {})
    )
    for name in ("temperature", "class_temperature"):
        assert found.record["settings"][name] == written[name] != 1
    warmer = plain.class_probabilities.log().div(written["class_temperature"]).softmax(dim=0)
    torch.testing.assert_close(found.class_probabilities, warmer, atol=1e-5, rtol=0)
    assert torch.equal(found.label.as_tensor(), plain.label.as_tensor())


@tried_on("mmformer")
def test_says_what_is_wrong_in_one_line(trained, case, tmp_path):
    with pytest.raises(InputError, match=r"--overlpa: no such setting; did you mean --overlap\?"):
        segmenter_of(trained, overlpa=0.5)
    with pytest.raises(InputError, match=r"--overlap: expected a number of at least 0 and below 1, got 2"):
        segmenter_of(trained, overlap=2)
    with pytest.raises(InputError, match=r"none/configs/inference.json: no such configuration; correct the bundle's"):
        Segmenter(tmp_path / "none")
    with pytest.raises(InputError, match=r"model.pt: no such checkpoint; train first, or name one"):
        Segmenter(trained.root, weights=tmp_path / "model.pt", overlays=["inference_tiny"])
    with pytest.raises(InputError, match=r"^device: expected a device such as 'cuda' or 'cpu', got 'gpu'"):
        Segmenter(trained.root, device="gpu")
    segmenter = segmenter_of(trained)
    with pytest.raises(
        InputError, match=r"^t1c: no modality of brats_mri_segmentation_pareto_mmformer; did you mean t1"
    ):
        segmenter(t1c="a.nii.gz")
    with pytest.raises(InputError, match=r"^none.nii.gz: no such file; correct the path or leave the modality out"):
        segmenter(t1="none.nii.gz")
    with pytest.raises(InputError, match=r"^flair: an array does not say how large its voxels are; give \(flair, aff"):
        segmenter(flair=np.zeros((4, 4, 4)))
    with pytest.raises(InputError, match=r"^case case: none of its modalities \(t1, t1ce, t2, flair\) is present"):
        segmenter()


def other_weights(bundle, folder):
    """Weights of a network that says something else."""
    weights = torch.load(bundle.out / "models" / "model.pt", weights_only=True)
    torch.manual_seed(1)
    for value in weights.values():
        if value.ndim > 1:
            value += 0.5 * value.abs().mean() * torch.randn_like(value)
    torch.save(weights, folder / "other.pt")
    return folder / "other.pt"


@tried_on("mmformer", "brats_mri_segmentation_expert_consistency", "colon")
def test_an_ensemble_gives_the_mean_of_its_networks_probabilities(trained, case, tmp_path, no_drawing):
    """Gland networks with equal decision weights: with others a mean before them is not a mean after them."""
    files = [trained.out / "models" / "model.pt", other_weights(trained, tmp_path)]
    equal = {"decision_weights": [1, 1, 1, 1]} if "colon" in trained.root.name else {}
    alone = [Segmenter(trained.root, file, "cpu", ["inference_tiny"], **equal) for file in files]
    inputs = inputs_of(case, alone[0])
    one, two = (segmenter(**inputs).probabilities.as_tensor().float() for segmenter in alone)
    assert (one - two).abs().max() > 0.02
    together = Segmenter(trained.root, files, "cpu", ["inference_tiny"], **equal)(**inputs)
    torch.testing.assert_close(together.probabilities.as_tensor().float(), (one + two) / 2, atol=2e-3, rtol=0)
    assert 0 < together.disagreement.max() < np.log(2) + 1e-6
    assert len(together.record["weights"]["ensemble"]) == 2
    assert list(together.save(tmp_path).glob("*_disagreement.*"))


@tried_on("colon")
def test_mirroring_is_that_of_the_picture(trained, case):
    picture = np.array(Image.open(case["image"]).convert("RGB"))
    equal = {"decision_weights": [1, 1, 1, 1]}
    plain = segmenter_of(trained, **equal)
    straight, mirrored = (plain(np.ascontiguousarray(image)) for image in (picture, picture[:, ::-1]))
    expected = (straight.probabilities.float() + mirrored.probabilities.float().flip(2)) / 2
    found = segmenter_of(trained, tta_axes=[1], **equal)(picture)
    torch.testing.assert_close(found.probabilities.float().as_tensor(), expected.as_tensor(), atol=2e-3, rtol=0)
    assert not torch.allclose(found.probabilities.float(), straight.probabilities.float(), atol=2e-3)
    assert found.record["settings"]["tta_axes"] == [1]
    with pytest.raises(InputError, match=r"--tta_axes: expected a list of different axes of \[0, 1\], got \[2\]"):
        segmenter_of(trained, tta_axes=[2])(picture)


@tried_on("vnet")
def test_finished_cases_are_skipped_and_numbers_are_those_of_the_data_set(trained, tmp_path, no_drawing):
    cases = trained.workflow("inference").parser.get_parsed_content("datalist")[:2]
    options = {"output_dir": str(tmp_path), "output_convention": "brats2021"}
    trained.run("inference", datalist=cases[:1], **options)
    name = cases[0]["case"]
    written = nibabel.load(tmp_path / name / f"{name}_seg.nii.gz").get_fdata()
    segmenter = segmenter_of(trained)
    label = segmenter(**inputs_of(cases[0], segmenter)).label[0].numpy()
    np.testing.assert_array_equal(written, np.array([0, 1, 2, 4])[label])
    record = tmp_path / name / f"{name}.json"
    assert [part["value"] for part in json.loads(record.read_text())["classes"]] == [1, 2, 4]
    before = record.stat().st_mtime_ns
    trained.run("inference", datalist=cases, skip_finished=True, **options)
    assert record.stat().st_mtime_ns == before
    assert len(list(tmp_path.glob("*/*.json"))) == 2
    trained.run("inference", datalist=cases[:1], skip_finished=True, **options, min_component_mm3=[1e9])
    assert record.stat().st_mtime_ns > before
    assert not nibabel.load(tmp_path / name / f"{name}_seg.nii.gz").get_fdata().any()
