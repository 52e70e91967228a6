import json
from pathlib import Path

import numpy as np
import pytest

from shared.dicom.headers import Header
from shared.dicom.series_rules import series_rules
from shared.dicom.stacks import Stack
from shared.errors import InputError

CONFIGS = {
    path.parents[1].name: json.loads(path.read_text()) for path in Path("bundles").glob("*/configs/inference.json")
}
RULES = {name: config["series_rules"] for name, config in CONFIGS.items() if "series_rules" in config}
BRAIN = next(rules for name, rules in RULES.items() if name.startswith("brats"))
PROSTATE = next(rules for name, rules in RULES.items() if name.startswith("prostate"))
PLANES = {"axial": [1, 0, 0, 0, 1, 0], "coronal": [1, 0, 0, 0, 0, -1], "sagittal": [0, 1, 0, 0, 0, -1]}
TSE_T2 = {"echo_time_ms": 104, "repetition_time_ms": 5660}
FLAIR = {"echo_time_ms": 94, "repetition_time_ms": 9000, "inversion_time_ms": 2500}
MPRAGE = {"echo_time_ms": 2.9, "repetition_time_ms": 2300, "inversion_time_ms": 900}


def stack(
    description="", parameters=(), kinds=("original", "primary", "m"), sequence=("se",), contrast=False, plane="axial"
):
    header = Header(
        path=Path("x"), name="x", kind="MR", is_mr=True, has_pixels=True, patient=("", "", ""), study="1", series="2",
        instance="3", frame_of_reference="4", number="5", description=description, image_type=kinds, sequence=sequence,
        contrast=contrast, parameters=dict(parameters), size=(4, 4), rescaling=frozenset(),
        geometry={
            "ImageOrientationPatient": np.array([PLANES[plane]] * 20, dtype=float),
            "ImagePositionPatient": np.arange(60.0).reshape(20, 3),
        },
    )  # fmt: skip
    return Stack((header,), 0, (1,))


def matches(rules, given):
    return [name for name, rule in series_rules(rules, list(rules)).items() if rule.fit(given).points]


def test_rules_were_found_and_are_equal_in_all_bundles_of_the_brain():
    assert len(RULES) == 5
    assert [rules for name, rules in RULES.items() if name.startswith("brats")] == [BRAIN] * 4


BRAIN_SERIES = {
    "t1": """t1_mprage_sag_p2_iso_0.9|Ax T1 FSE|T1W_TSE|T1 nativ tra|sT1W_3D_TFE|AX T1 PRE|Sag 3D T1 BRAVO|
        t1_se_tra ohne KM|T1 sans gado|T1 sin contraste|T1w|3D T1 MPRAGE|T1 without contrast|Ax T1 FLAIR""",
    "t1ce": """t1_mprage_tra_KM|T1 post Gd|AX T1 +C|T1W_TSE gado|T1 C+|t1ce|T1c|T1 nach KM|sT1W_3D_TFE_CE|
        T1 con contraste|T1 contrasto|AX T1 POST|T1Gd|T1 post-contrast|+C 3D BRAVO|t1_tse_tra_mit_KM|T1 injecté""",
    "t2": """t2_tse_tra_512|AX T2 FRFSE|T2W_TSE|Ax T2 PROPELLER|T2 axial pondérée|t2w|t2_blade_tra|Ax T2 FSE|
        T2 gewichtet|3D T2 SPACE""",
    "flair": """t2_tirm_tra_dark-fluid|AX T2 FLAIR|FLAIR_longTR|t2_space_flair_sag|Sag CUBE FLAIR|3D_VIEW_FLAIR|
        T2 FLAIR axial|t2_flair_tra_fs|t2_spc_ir_sag|darkfluid""",
}
NO_BRAIN_SERIES = """localizer|AAHead_Scout|Survey_32ch|ep2d_diff_3scan_trace|DWI b1000|ADC map|SWI|TOF 3D|MRA COW|
    T2* GRE|t2star|perfusion|ep2d_perf|PD TSE|SUB T1|STIR cor|MR spectroscopy|DTI 64|ASL"""


@pytest.mark.parametrize(
    ("modality", "description"),
    [(name, text.strip()) for name, texts in BRAIN_SERIES.items() for text in texts.split("|")],
)
def test_descriptions_of_several_vendors_and_languages(modality, description):
    """By words alone, and with parameters."""
    parameters = {"t1": MPRAGE, "t1ce": MPRAGE, "t2": TSE_T2, "flair": FLAIR}[modality]
    assert matches(BRAIN, stack(description)) == [modality]
    assert matches(BRAIN, stack(description, parameters)) == [modality]


@pytest.mark.parametrize("description", [text.strip() for text in NO_BRAIN_SERIES.split("|")])
@pytest.mark.parametrize("parameters", [{}, TSE_T2, MPRAGE, FLAIR])
def test_descriptions_of_other_series(description, parameters):
    if parameters and description == "MR spectroscopy":
        pytest.skip("nothing in the description speaks against an image")
    assert matches(BRAIN, stack(description, parameters)) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (stack(parameters=MPRAGE), ["t1"]),
        (stack(parameters=MPRAGE, contrast=True), ["t1ce"]),
        (stack(parameters=TSE_T2), ["t2"]),
        (stack(parameters=FLAIR, sequence=("se", "ir")), ["flair"]),
        (stack(parameters=TSE_T2 | {"b_value": 1000}), []),
        (stack(parameters=TSE_T2, sequence=("ep",)), []),
        (stack(parameters=TSE_T2, sequence=("*ep_b1000",)), []),
        (stack(parameters={"echo_time_ms": 104}), []),
        (stack(parameters=TSE_T2 | {"inversion_time_ms": 160}), []),
        (stack(parameters=TSE_T2, kinds=("derived", "secondary", "mpr")), []),
        (stack("T2 axial", TSE_T2 | {"echo_time_ms": 12}), []),
        (stack("FLAIR", FLAIR | {"inversion_time_ms": 180}), []),
        (stack("T1 pre", MPRAGE, contrast=True), ["t1"]),
    ],
)
def test_parameters_without_or_against_a_description(given, expected):
    assert matches(BRAIN, given) == expected


ADC_KINDS = [
    ("derived", "primary", "diffusion", "adc", "norm"),  # Siemens
    ("original", "primary", "adc", "unspecified", "adc"),  # Philips
    ("derived", "secondary", "combined"),  # GE
]


@pytest.mark.parametrize("kinds", ADC_KINDS)
def test_an_adc_of_three_vendors(kinds):
    assert matches(PROSTATE, stack("Apparent Diffusion Coefficient (mm2/s)", kinds=kinds)) == ["adc"]
    assert matches(PROSTATE, stack("dADC map", kinds=kinds)) == ["adc"]
    assert matches(PROSTATE, stack("eADC", kinds=kinds)) == []
    assert matches(PROSTATE, stack(kinds=kinds)) == (["adc"] if "adc" in kinds else [])


def test_reasons():
    rules = series_rules(PROSTATE, ["t2", "adc"])
    assert rules["t2"].fit(stack("T2 TRA", TSE_T2, plane="coronal")).why == "coronal, not axial"
    assert rules["t2"].fit(stack("T2", TSE_T2 | {"echo_time_ms": 12})).why == "echo time 12 ms, not 60 to 300"
    assert rules["adc"].fit(stack("ADC")).why == "ImageType ORIGINAL, not DERIVED"
    assert rules["t2"].fit(stack("T2", TSE_T2)).points > rules["t2"].fit(stack("T2")).points


def test_a_rule_that_is_misspelt_or_missing():
    with pytest.raises(InputError, match=r"series_rules: t2 has 'wrods', but a rule has b_value, contrast"):
        series_rules({"t2": {"wrods": []}}, ["t2"])
    with pytest.raises(InputError, match="expected a rule for dwi, got None; add one"):
        series_rules(PROSTATE, ["t2", "dwi"])
