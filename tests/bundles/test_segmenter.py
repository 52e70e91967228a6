"""One call in Python gives what inference.json gives, for every bundle that is there."""

import json
from concurrent.futures import ThreadPoolExecutor

import nibabel
import numpy as np
import pytest
import torch
from bundle_cases import inputs_of, segmenter_of
from monai.data import MetaTensor
from PIL import Image
from tiny_bundle import tried_on

from shared.errors import InputError
from shared.inferers import Segmenter

TIMES = ("written_utc", "seconds_since_reading_began")


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
