"""Every odd study of the list but the slowest ones, and what the command says of a wrong one."""

import re
from pathlib import Path

import numpy as np
import pytest

from ci.dicom import dicom_inputs
from ci.dicom.dicom_inputs import main, outcome_of, outcomes_of
from ci.dicom.odd_study import INPUTS, OddInput, PaintedStudy
from shared.errors import InputError

SLOW = ("compressed pixels that are damaged", "a coronal study", "descriptions in French")
TRIED = [given for given in INPUTS if given.name not in SLOW]


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    return {
        organ: PaintedStudy.paint(tmp_path_factory.mktemp("painted") / organ, organ) for organ in dicom_inputs.CONFIGS
    }


def test_there_are_more_than_fifty_of_different_names():
    assert len({given.name for given in INPUTS}) == len(INPUTS) > 100
    assert 30 < sum(given.refused for given in INPUTS) < 80


def test_the_results_of_the_prostate_bundle_list_every_input():
    """With its number, what must become of it, and words that must be said."""
    text = Path("bundles/prostate_mri_segmentation_expert_consistency/docs/results.md").read_text()
    about, _, table = text.partition("## Odd DICOM studies")[2].partition(dicom_inputs.HEAD)
    table = table.partition("\n\n")[0].splitlines()
    listed, said = zip(*(row.removesuffix(" |").rsplit(" | ", 1) for row in table))
    outcomes = [("refused" if given.refused else "right") + " (brain)" * (given.organ == "brain") for given in INPUTS]
    assert list(listed) == [
        f"| {number} | {given.name} | {outcome}"
        for number, (given, outcome) in enumerate(zip(INPUTS, outcomes), start=1)
    ]
    assert not [given.name for given, text in zip(INPUTS, said) if not re.search(given.says, text)]
    refused = sum(given.refused for given in INPUTS)
    for words in (f"in {len(INPUTS)} ways", f"{len(INPUTS) - refused} are read right", f"{refused} are refused"):
        assert words in " ".join(about.split())


@pytest.mark.parametrize("given", TRIED, ids=lambda given: given.name.replace(" ", "_"))
def test_an_odd_study_is_read_right_or_refused_in_one_line(painted, tmp_path, given):
    outcome = outcome_of(given, painted[given.organ], tmp_path / "study")
    assert not outcome.fault
    assert outcome.is_refused == given.refused != outcome.is_right


def brighter(study):
    study.edit("t2", lambda dataset, index: setattr(dataset, "PixelData", (dataset.pixel_array + 1).tobytes()))


def elsewhere(study):
    study.edit("t2", ImagePositionPatient=[0, 0, 0])
    study.remove("adc")
    for path in study.files["t2"][:-1]:
        path.unlink()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (brighter, "should be read right, but: t2: 2880 of 2880 voxels differ"),
        (elsewhere, "should be read right, but: "),
    ],
)
def test_a_study_that_is_read_wrong_is_a_fault(painted, tmp_path, change, says):
    outcome = outcome_of(OddInput("odd", change, "prostate", False, ""), painted["prostate"], tmp_path / "study")
    assert says in outcome.fault


def test_a_study_that_should_be_refused_or_say_another_thing_is_a_fault(painted, tmp_path):
    whole = OddInput("odd", lambda study: None, "prostate", True, "")
    assert "should be refused, but: is read" in outcome_of(whole, painted["prostate"], tmp_path / "a").fault
    other = OddInput("odd", lambda study: study.remove("t2", "adc"), "prostate", True, "two grids")
    assert "should say 'two grids'" in outcome_of(other, painted["prostate"], tmp_path / "b").fault


def test_voxels_that_are_mirrored_or_shifted_are_found(painted):
    from monai.data import MetaTensor

    study = painted["prostate"]
    volume = study.volumes["t2"]
    image = MetaTensor(volume[None].astype(np.float32), affine=study.affine)
    assert dicom_inputs._difference(image, volume, study.affine) == ""
    mirrored = MetaTensor(image.as_tensor().flip(1), affine=study.affine)
    assert "voxels differ" in dicom_inputs._difference(mirrored, volume, study.affine)
    shifted = study.affine.copy()
    shifted[0, 3] += 1
    assert "is up to 0.2 voxels from" in dicom_inputs._difference(image, volume, shifted)


def test_the_command_writes_a_table_and_names_faults(tmp_path, monkeypatch, capsys):
    main(out=str(tmp_path / "table.md"), only="zip")
    rows = (tmp_path / "table.md").read_text().splitlines()
    assert rows[2] == "| 1 | a zip among the files | right | old.zip: is not read; unpack it if it holds images. |"
    assert "2 inputs: 1 read right, 1 refused in one line, 0 faults" in capsys.readouterr().out
    monkeypatch.setattr(dicom_inputs, "INPUTS", [OddInput("whole", lambda study: None, "prostate", True, "")])
    with pytest.raises(InputError, match="whole: should be refused"):
        main(only="whole")
    with pytest.raises(InputError, match="only: no input's name has 'x'; the first is called 'whole'"):
        main(only="x")


def test_a_modality_that_is_left_out_without_a_word_is_a_fault(painted, tmp_path):
    given = OddInput("odd", lambda study: study.remove("adc"), "prostate", False, "")
    (outcome,) = outcomes_of([given], tmp_path)
    assert outcome.is_right
    assert "adc is absent" in outcome.says
