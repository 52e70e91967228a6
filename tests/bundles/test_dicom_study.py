"""DICOM studies through the bundles that take them: results, record, and nothing of the patient."""

import json
import sys
from pathlib import Path

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
from bundle_cases import segmenter_of
from PIL import Image
from tiny_bundle import BUNDLES, tried_on

from shared.errors import InputError
from shared.phantoms import paint_breast, paint_dicom_phantoms

sys.path.insert(0, str(Path(__file__).parents[1] / "dicom"))
from ultrasound_files import write_ultrasound

MRI_BUNDLES = [bundle for bundle in BUNDLES if "_mri_" in bundle.name]
SIZES = {
    "prostate": {"size": (24, 26, 14), "spacing_mm": (4.0, 4.0, 5.0)},
    "brain": {"size": (20, 24, 18), "spacing_mm": (7.0, 7.0, 7.0)},
}


def voxels_of(segmentation, affine, number):
    """Places of a segment's voxels on a grid of NIfTI, by world coordinates."""
    volume = highdicom.seg.segread(segmentation).get_volume(segment_numbers=[number], combine_segments=True)
    places = np.argwhere(np.asarray(volume.array) > 0) @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    voxels = np.linalg.solve(affine[:3, :3], (places * [-1, -1, 1] - affine[:3, 3]).T).T
    assert np.abs(voxels - voxels.round()).max(initial=0) < 0.05
    return {tuple(voxel) for voxel in voxels.round().astype(int)}


def run_both(trained, tmp_path, organ, modalities, **options):
    """Segment a painted study, and the same volumes as NIfTI."""
    painted = paint_dicom_phantoms(tmp_path / "painted", organ, **SIZES[organ]) / "Phantom_000"
    study = {"output_dir": str(tmp_path / "dicom"), "dataset_dir": "", "dicom_dir": str(painted / "dicom")}
    trained.run("inference", **study, **options)
    files = {name: str(painted / "nifti" / f"{name}.nii.gz") for name in modalities}
    trained.run("inference", output_dir=str(tmp_path / "nifti"), datalist=[{"case": "a", **files}])
    masks = []
    for kind in ("dicom", "nifti"):
        (path,) = (tmp_path / kind).glob("*/*_seg.nii.gz")
        masks.append(nibabel.load(path))
    record = json.loads(next((tmp_path / "dicom").glob("*/study_*.json")).read_text())
    return *masks, record


def assert_same_places(one, other):
    """The same classes at the same places of the world, and not nothing: Dice 1."""
    np.testing.assert_allclose(one.affine, other.affine, atol=1e-3)
    np.testing.assert_array_equal(np.asarray(one.dataobj), np.asarray(other.dataobj))
    assert np.asarray(one.dataobj).any()


@tried_on("prostate")
def test_a_study_gives_the_mask_of_the_same_volumes_in_nifti(trained, tmp_path, caplog):
    one, other, record = run_both(trained, tmp_path, "prostate", ["t2", "adc"], dicom_seg=True)
    assert_same_places(one, other)
    (of_study,) = (tmp_path / "dicom").glob("*/*_seg.dcm")
    for number in (1, 2):
        expected = {tuple(voxel) for voxel in np.argwhere(np.asarray(one.dataobj) == number)}
        assert voxels_of(of_study, one.affine, number) == expected  # Dice 1
    study = tmp_path / "painted" / "Phantom_000" / "dicom"
    segmenter = segmenter_of(trained, dicom_seg=True)
    called = segmenter(dicom_dir=study)
    np.testing.assert_array_equal(called.label[0].numpy(), np.asarray(one.dataobj))
    assert {path.name for path in called.save(tmp_path / "called").iterdir()} == {
        path.name for path in of_study.parent.iterdir()
    }
    folders = segmenter(t2=study / "04_t2_tse_tra", adc=study / "07_ep2d_diff_tra_ADC")
    np.testing.assert_array_equal(folders.label[0].numpy(), np.asarray(one.dataobj))
    assert record["dicom"]["series"]["adc"]["number"] == "7"
    assert record["dicom"]["segmentation"] == of_study.name
    assert record["modalities_found"] == ["t2", "adc"]
    written = [str(path.relative_to(tmp_path / "dicom")) for path in (tmp_path / "dicom").rglob("*")]
    shown = [*written, json.dumps(record | {"inputs": None}), caplog.text]
    assert not [word for word in ("Painted 0", "PHANTOM-0-0", "19500101") if any(word in text for text in shown)]


@tried_on("brats_mri_segmentation_expert", "pareto_vnet")
def test_a_study_of_a_brain_gives_the_mask_of_the_same_volumes_in_nifti(trained, tmp_path):
    modalities = json.loads((trained.root / "configs" / "inference.json").read_text())["modalities"]
    one, other, record = run_both(trained, tmp_path, "brain", modalities, dicom_seg=True)
    assert_same_places(one, other)
    numbers = {"t1": "2", "t1ce": "9", "t2": "3", "flair": "4"}
    taken = {name: entry["number"] for name, entry in record["dicom"]["series"].items()}
    assert taken == {name: numbers[name] for name in modalities}
    (of_study,) = (tmp_path / "dicom").glob("*/*_seg.dcm")
    assert record["dicom"]["segmentation"] == of_study.name
    for number in (1, 2, 3):
        expected = {tuple(voxel) for voxel in np.argwhere(np.asarray(one.dataobj) == number)}
        assert voxels_of(of_study, one.affine, number) == expected


@pytest.mark.parametrize("bundle", MRI_BUNDLES, ids=lambda bundle: bundle.name)
def test_dicom_is_written_before_the_record_that_names_it(bundle):
    config = json.loads((bundle / "configs" / "inference.json").read_text())
    *_, dicom, record = (step["_target_"] for step in config["postprocessing"]["transforms"])
    assert dicom == "shared.dicom.SaveImageDicomSegd"
    assert record.startswith("shared.transforms.SaveImage")


@tried_on("breast")
def test_frames_of_ultrasound_give_the_masks_of_the_same_pictures(trained, tmp_path):
    """0.02 cm x 0.02 cm: 0.04 mm2."""
    pictures = [paint_breast((0, 1, index), (96, 128), kind="benign")[0] for index in (1, 2)]
    regions = [((0, 0, 127, 95), 1, 3, (0.02, 0.02))]
    write_ultrasound(tmp_path / "study", np.stack(pictures), frames=2, regions=regions, BurnedInAnnotation="NO")
    (tmp_path / "png").mkdir()
    for index, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / "png" / f"{index}.png")
    outputs = {kind: tmp_path / f"of_{kind}" for kind in ("study", "png")}
    given = {"dataset_dir": "", "dicom_dir": str(tmp_path / "study"), "dicom_seg": True}
    trained.run("inference", output_dir=str(outputs["study"]), **given)
    trained.run("inference", output_dir=str(outputs["png"]), dataset_dir=str(tmp_path / "png"))
    masks = {kind: sorted(folder.glob("*/*_seg.png")) for kind, folder in outputs.items()}
    records = [
        json.loads(path.with_name(path.name.replace("_seg.png", ".json")).read_text()) for path in masks["study"]
    ]
    assert len(masks["study"]) == 2
    for of_frame, of_picture, record in zip(masks["study"], masks["png"], records):
        mask = np.asarray(Image.open(of_frame))
        np.testing.assert_array_equal(mask, np.asarray(Image.open(of_picture)))
        assert record["regions"][1]["area_mm2"] == pytest.approx(0.04 * (mask == 1).sum(), abs=0.01)
        assert record["dicom"]["burned_in_annotation"] == "NO"
        segmentation = pydicom.dcmread(of_frame.with_name(record["dicom"]["segmentation"]))
        np.testing.assert_array_equal(segmentation.pixel_array.squeeze(), mask == 1)
    assert sum(record["regions"][1]["area_px"] for record in records) > 0
    assert [record["dicom"]["frame"] for record in records] == [1, 2]
    segmenter = segmenter_of(trained)
    with pytest.raises(InputError, match="has 2 pictures, but this segments one; take"):
        segmenter(dicom_dir=tmp_path / "study")
    for result, of_picture in zip(segmenter.study(tmp_path / "study"), masks["png"], strict=True):
        np.testing.assert_array_equal(np.asarray(result.label[0]), np.asarray(Image.open(of_picture)))
    write_ultrasound(tmp_path / "study", pictures[0], number=0, photometric="PALETTE COLOR")  # without a palette
    results = segmenter.study(tmp_path / "study")
    assert [next(results).label.shape, next(results).label.shape] == [(1, 96, 128)] * 2
    with pytest.raises(InputError, match=r"^2 of 3 pictures done; not done: study_\w+_001: .*frame 1 cannot be read"):
        next(results)
