"""Read a study with the rules of the prostate bundle."""

import json
from pathlib import Path

import pytest
from study_files import ID, NAME

from shared.dicom import study_cases
from shared.errors import InputError

CONFIG = Path("bundles/prostate_mri_segmentation_expert_consistency/configs/inference.json")
RULES = json.loads(CONFIG.read_text())["series_rules"]
MODALITIES = ["t2", "adc"]


def cases_of(folder, series=None, resample=False):
    return study_cases(folder, MODALITIES, RULES, series, resample)


def refusal(folder, **options):
    with pytest.raises(InputError) as refused:
        cases_of(folder, **options)
    assert "\n" not in str(refused.value)
    assert NAME not in str(refused.value)
    assert ID not in str(refused.value)
    return str(refused.value)
