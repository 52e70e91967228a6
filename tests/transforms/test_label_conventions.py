import pytest

from shared.transforms.label_conventions import conventions_of_name, describe_conventions, find_convention
from shared.transforms.label_tables import LABEL_TABLES, label_table

GLIOMA, AFTER_TREATMENT = ("brats2023", "brats2024_glioma"), ("brats2024_glioma",)


@pytest.mark.parametrize(
    ("case", "conventions"),
    [
        ("BraTS-PED-00001-000", ("brats_pediatric",)),
        ("BraTS-PEDs2024_7", ("brats_pediatric",)),
        ("BraTS-GLI-00005-001", GLIOMA),
        ("BraTS-GLI-02062-100", AFTER_TREATMENT),
        ("BraTS-GLI-02062-113-seg.nii.gz", AFTER_TREATMENT),
        ("BraTS-MET-00086-000", ("brats2025_metastases", "brats2023")),
        ("BraTS-MEN-00004-000", ("brats_meningioma", "brats2023")),
        ("BraTS-MEN-RT-0001-1", ("brats_men_rt",)),
        ("BraTS-SSA-00002-000", ("brats_africa", "brats2023")),
        ("BraTS2021_00000", ("brats2021",)),
        ("Brats18_2013_0_1", ("brats2021",)),
        ("brats_2013_pat0003_1", ("brats2013", "brats2021")),
        ("BRATS_001", ()),
        ("brats2021_cropped", ("brats2021",)),  # not paediatric
        ("Phantom_001", ()),
    ],
)
def test_names_of_the_challenges(case, conventions):
    assert conventions_of_name(case, f"/data/{case}") == conventions


def test_the_innermost_name_counts():
    folder = "/data/ASNR-MICCAI-BraTS2023-PED-Challenge-TrainingData"
    assert conventions_of_name("p1", f"{folder}/p1/p1-seg.nii.gz") == ("brats_pediatric",)
    assert conventions_of_name("BraTS-GLI-00005-001", f"{folder}/x/x-seg.nii.gz") == GLIOMA
    assert conventions_of_name("p1", "/raw/Dataset138_BraTSPED/labelsTr/p1.nii.gz") == ("brats_pediatric",)
    assert conventions_of_name("p1", "/data/brats2021_mapped/p1_seg.nii.gz") == ()


def test_equal_readings_are_named_together():
    assert describe_conventions(["brats2023", "brats_africa", "msd"], [0, 2]) == (
        "brats2023/brats_africa (2 oedema -> 2); msd (2 non-enhancing tumour -> 1)"
    )


def test_prostates_have_a_table_of_their_own():
    """Task05 and Prostate158 number the zones in opposite order; "msd" of brains is another task."""
    table = LABEL_TABLES["prostate_zones"]
    assert find_convention(None, "msd", table) == ("msd", {0: 0, 1: 1, 2: 2})
    assert find_convention(None, "prostate158", table) == ("prostate158", {0: 0, 1: 2, 2: 1})
    assert find_convention(None, "msd")[1] == {0: 0, 1: 2, 2: 1, 3: 3}
    assert conventions_of_name("001", "/data/Prostate158/train/001/x.nii.gz", table) == ("prostate158",)
    assert conventions_of_name("BraTS2021_00000", "/data/a", table) == ()
    assert describe_conventions(["prostate158"], {0, 1, 2}, table) == (
        "prostate158 (1 central gland, transition zone -> 2, 2 peripheral zone -> 1)"
    )
    with pytest.raises(ValueError, match="label convention 'brats2021' is unknown; choose one of msd, prostate158"):
        find_convention("brats2021", None, table)
    with pytest.raises(ValueError, match="table: expected one of brain_tumour, prostate_zones, got 'liver'"):
        label_table("liver")
