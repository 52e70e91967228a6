import json

import nibabel
import numpy as np
import pydicom
import pytest

from shared.dicom import study_cases
from shared.errors import InputError
from shared.phantoms import paint_dicom_phantoms
from shared.phantoms.dicom_phantoms import PLANES, grid_of
from shared.transforms import LoadImageModalitiesd

SMALL = {
    "prostate": {"size": (20, 18, 6), "spacing_mm": (6.0, 5.0, 7.0)},
    "brain": {"size": (16, 18, 12), "spacing_mm": (9, 9, 10)},
}
CONFIGS = {
    "prostate": "bundles/prostate_mri_segmentation_expert_consistency/configs/inference.json",
    "brain": "bundles/brats_mri_segmentation_expert_consistency/configs/inference.json",
}


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("painted")
    return {organ: paint_dicom_phantoms(folder / organ, organ, **options) for organ, options in SMALL.items()}


@pytest.mark.parametrize("organ", SMALL)
def test_the_rules_of_a_bundle_find_the_volumes_of_the_nifti_files(painted, organ):
    with open(CONFIGS[organ]) as file:
        config = json.load(file)
    (case,) = study_cases(painted[organ] / "Phantom_000/dicom", config["modalities"], config["series_rules"])
    loaded = LoadImageModalitiesd(config["modalities"])(case)
    for name in config["modalities"]:
        nifti = nibabel.load(painted[organ] / f"Phantom_000/nifti/{name}.nii.gz")
        np.testing.assert_array_equal(loaded[name][0], np.asarray(nifti.dataobj))
        np.testing.assert_allclose(loaded[name].affine, nifti.affine, atol=1e-4)
    taken = {entry["number"] for entry in json.loads(case["dicom"])["series"].values()}
    assert taken == {"prostate": {"4", "7"}, "brain": {"2", "3", "4", "9"}}[organ]


def test_columns_run_to_the_left_and_rows_to_the_back_or_the_feet():
    """In DICOM's axes: left, back, head."""
    for plane, expected in {"axial": "LPS", "coronal": "LIP", "sagittal": "PIL"}.items():
        assert "".join(nibabel.aff2axcodes(grid_of(plane, (4, 4, 4), (1, 2, 3)))) == expected
    middle = grid_of("coronal", (4, 5, 6), (1, 2, 3)) @ [1.5, 2, 2.5, 1]
    np.testing.assert_allclose(middle, [0, 0, 0, 1])
    assert set(PLANES) == {"axial", "coronal", "sagittal"}


def test_files_say_that_they_are_painted_and_no_image_is_there_twice(painted):
    instances = set()
    for path in painted["prostate"].rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        assert dataset.Manufacturer == "painted"
        assert str(dataset.PatientName).startswith("Phantom")
        assert pydicom.uid.UID(dataset.SOPInstanceUID).is_valid
        instances.add(dataset.SOPInstanceUID)
    assert len(instances) == len(list(painted["prostate"].rglob("*.dcm"))) == 3 * 3 + 4 * 6
    assert "PHANTOMS" in (painted["prostate"] / "README.txt").read_text()


def test_diffusion_weighted_images_follow_the_adc(painted):
    """S = S0 exp(-b ADC), with ADC in 1e-6 mm2/s and b = 800 s/mm2."""
    folder = painted["prostate"] / "Phantom_000/dicom"
    t2, weighted, adc = (
        pydicom.dcmread(folder / name / "003.dcm").pixel_array.astype(float)
        for name in ("04_t2_tse_tra", "06_ep2d_diff_tra_b800", "07_ep2d_diff_tra_ADC")
    )
    np.testing.assert_allclose(weighted, t2 * np.exp(-0.0008 * adc), atol=0.5)


def test_same_seed_same_bytes_and_a_second_run_does_nothing(painted, tmp_path):
    again = paint_dicom_phantoms(tmp_path / "again", "prostate", **SMALL["prostate"])
    paths = sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert all((again / path).read_bytes() == (painted["prostate"] / path).read_bytes() for path in paths)
    before = (again / paths[0]).stat().st_mtime_ns
    assert paint_dicom_phantoms(again, "prostate", **SMALL["prostate"]) == again
    assert (again / paths[0]).stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"organ": "breast"}, "organ 'breast' is unknown; choose prostate or brain"),
        ({"num_cases": 0}, "num_cases and seed"),
        ({"size": (4, 4)}, "size and spacing_mm: three positive numbers"),
    ],
)
def test_wrong_settings_are_named(tmp_path, wrong, message):
    with pytest.raises(InputError, match=message):
        paint_dicom_phantoms(tmp_path / "none", **wrong)
