"""A DICOM study through the bundles that take one: chosen series, results, record, and nothing of the patient."""

import json
import sys
from pathlib import Path

import highdicom
import nibabel
import numpy as np
from tiny_bundle import tried_on

from shared.inferers import Segmenter

sys.path.insert(0, str(Path(__file__).parents[1] / "dicom"))
from study_files import ADC, AXIAL, ID, NAME, T2, write_series


def phantom(trained):
    """T2 and ADC of the first painted case as (x, y, z) in whole numbers."""
    path = sorted((trained.data / "imagesTr").glob("*.nii.gz"))[0]
    values = nibabel.load(path).get_fdata()
    return np.round(values / values.max() * 4000).astype(np.int16)


@tried_on("prostate")
def test_a_study_gives_the_mask_of_the_same_volumes_in_nifti(trained, tmp_path, caplog):
    affine = AXIAL @ np.diag([2, 2, 1.5, 1])  # numbers that NIfTI keeps exactly
    volumes = phantom(trained)
    for index, (number, name, tags) in enumerate(((4, "t2_tse_tra", T2), (7, "ep2d_ADC", ADC))):
        write_series(tmp_path / "study" / str(number), volumes[..., index], affine, number, name, **tags)
        nibabel.save(nibabel.Nifti1Image(volumes[..., index], affine), tmp_path / f"{name}.nii.gz")
    trained.run(
        "inference",
        output_dir=str(tmp_path / "dicom"),
        dataset_dir="",
        dicom_dir=str(tmp_path / "study"),
        dicom_seg=True,
    )
    files = {"t2": str(tmp_path / "t2_tse_tra.nii.gz"), "adc": str(tmp_path / "ep2d_ADC.nii.gz")}
    trained.run("inference", output_dir=str(tmp_path / "nifti"), datalist=[{"case": "a", **files}])
    (of_dicom,) = (tmp_path / "dicom").glob("*/*_seg.nii.gz")
    (of_nifti,) = (tmp_path / "nifti").glob("*/*_seg.nii.gz")
    one, other = nibabel.load(of_dicom), nibabel.load(of_nifti)
    np.testing.assert_allclose(one.affine, other.affine, atol=1e-3)
    np.testing.assert_array_equal(np.asarray(one.dataobj), np.asarray(other.dataobj))
    (of_study,) = (tmp_path / "dicom").glob("*/*_seg.dcm")
    for number in (1, 2):
        volume = highdicom.seg.segread(of_study).get_volume(segment_numbers=[number], combine_segments=True)
        places = np.argwhere(np.asarray(volume.array) > 0) @ volume.affine[:3, :3].T + volume.affine[:3, 3]
        voxels = np.linalg.solve(one.affine[:3, :3], (places * [-1, -1, 1] - one.affine[:3, 3]).T).T
        assert np.abs(voxels - voxels.round()).max(initial=0) < 0.05
        in_seg = {tuple(voxel) for voxel in voxels.round().astype(int)}
        in_nifti = {tuple(voxel) for voxel in np.argwhere(np.asarray(one.dataobj) == number)}
        assert in_seg == in_nifti  # Dice 1
    weights = trained.out / "models" / "model.pt"
    segmenter = Segmenter(trained.root, weights, "cpu", ["inference_tiny"], dicom_seg=True)
    called = segmenter(dicom_dir=tmp_path / "study")
    np.testing.assert_array_equal(called.label[0].numpy(), np.asarray(one.dataobj))
    assert {path.name for path in called.save(tmp_path / "called").iterdir()} == {
        path.name for path in of_study.parent.iterdir()
    }
    folders = segmenter(t2=tmp_path / "study" / "4", adc=tmp_path / "study" / "7")
    np.testing.assert_array_equal(folders.label[0].numpy(), np.asarray(one.dataobj))
    record = json.loads(next((tmp_path / "dicom").glob("*/study_*.json")).read_text())
    assert record["dicom"]["series"]["adc"]["number"] == "7"
    assert record["dicom"]["segmentation"] == of_study.name
    assert record["modalities_found"] == ["t2", "adc"]
    written = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] + [json.dumps(record), caplog.text]
    assert not [word for word in (*NAME.split("^"), ID) if any(word in text for text in written)]
