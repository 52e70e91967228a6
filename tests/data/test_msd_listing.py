"""`dataset.json` of the Medical Segmentation Decathlon."""

import pytest
from case_files import touch, write_listing

from shared.data import find_mri_cases
from shared.errors import InputError


def test_a_listed_case_is_a_file_with_a_channel_per_modality(tmp_path):
    touch(tmp_path, *[f"{folder}/B_1.nii.gz" for folder in ("imagesTr", "labelsTr")], "imagesTr/._B_2.nii.gz")
    touch(tmp_path, "imagesTs/B_9.nii.gz")
    write_listing(
        tmp_path,
        modality={"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
        training=[
            {"image": "./imagesTr/B_1.nii.gz", "label": "./labelsTr/B_1.nii.gz"},
            {"image": "./imagesTr/._B_2.nii.gz", "label": "./labelsTr/._B_2.nii.gz"},
            {"image": "./imagesTr/not_copied.nii.gz", "label": "./labelsTr/not_copied.nii.gz"},
        ],
        test=["./imagesTs/B_9.nii.gz"],
    )
    image = str(tmp_path / "imagesTr/B_1.nii.gz")
    expected = {"case": "B_1", "patient": "B_1", "t1ce": [image, 2], "flair": [image, 0]}
    expected["label"] = str(tmp_path / "labelsTr/B_1.nii.gz")
    assert find_mri_cases(tmp_path, ["t1ce", "flair"], "msd", needs_label=True) == [expected]
    assert [case["case"] for case in find_mri_cases(tmp_path, ["flair"], "msd")] == ["B_1", "B_9"]
    with pytest.raises(InputError, match=r"modality 'adc': .*dataset.json names no such channel, only flair, t1, t1ce"):
        find_mri_cases(tmp_path, ["adc"], "msd")


def test_channels_may_be_named_as_in_nnunet(tmp_path):
    touch(tmp_path, "imagesTr/p.nii.gz")
    write_listing(tmp_path, channel_names={"0": "T2", "1": "ADC"}, training=[{"image": "imagesTr/p.nii.gz"}])
    assert find_mri_cases(tmp_path, ["adc"], "msd")[0]["adc"] == [str(tmp_path / "imagesTr/p.nii.gz"), 1]


def test_paths_that_begin_with_a_slash_and_lack_gz_are_understood(tmp_path):
    """As in Task05, whose ADC is a modality like any other."""
    touch(tmp_path, *[f"{folder}/prostate_16.nii.gz" for folder in ("imagesTr", "labelsTr")])
    entry = {"image": "/imagesTr/prostate_16.nii", "label": "/labelsTr/prostate_16.nii"}
    write_listing(tmp_path, modality={"0": "T2", "1": "ADC"}, training=[entry], test=[])
    (case,) = find_mri_cases(tmp_path, ["t2", "adc"], "msd", needs_label=True)
    assert case["adc"] == [str(tmp_path / "imagesTr/prostate_16.nii.gz"), 1]
    assert case["label"] == str(tmp_path / "labelsTr/prostate_16.nii.gz")


@pytest.mark.parametrize("described", [{"modality": {"0": "T2"}}, {"training": []}, {"modality": 3, "training": []}])
def test_a_dataset_json_of_another_kind_is_refused(tmp_path, described):
    write_listing(tmp_path, **described)
    with pytest.raises(InputError, match=r"dataset.json: not as in the Medical Segmentation Decathlon .*\"training\""):
        find_mri_cases(tmp_path, ["t2"], "msd")
