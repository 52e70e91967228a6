"""Weights know the settings they were trained with, and are refused under others."""

import hashlib
import json
import logging

import pytest
import torch
from monai.data import DataLoader
from monai.engines import SupervisedEvaluator
from monai.transforms import Compose
from tiny_training import input_error, train

from shared.handlers import WeightsLoader, read_model_settings, with_model_settings
from shared.transforms.case_record import circumstances

SETTINGS = {"modalities": ["t1", "t2"], "spacing_mm": [1.0, 1.0, 1.0], "normalise": True}


def with_settings(path, settings=SETTINGS):
    torch.save(with_model_settings(torch.nn.Linear(2, 3).state_dict(), settings), path)
    return path


def test_settings_stay_in_a_state_dict_that_loads_as_any_other(tmp_path):
    saved = torch.load(with_settings(tmp_path / "model.pt"), weights_only=True)
    torch.nn.Linear(2, 3).load_state_dict(saved)
    assert list(saved) == ["weight", "bias"]
    assert read_model_settings(saved._metadata) == SETTINGS


def test_every_file_of_a_training_stores_the_settings(tmp_path):
    train(tmp_path, settings=SETTINGS)
    for name in ("model.pt", "model_last.pt"):
        assert read_model_settings(torch.load(tmp_path / name, weights_only=True)._metadata) == SETTINGS
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert read_model_settings(saved["objects"]["network"]._metadata) == SETTINGS
    train(tmp_path, settings=SETTINGS, resume=True)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"modalities": ["t2", "t1"]},
            "trained with modalities = ['t1', 't2'], but modalities = ['t2', 't1'] is given",
        ),
        ({"spacing_mm": (1, 1, 2)}, "trained with spacing_mm = [1.0, 1.0, 1.0], but spacing_mm = [1, 1, 2] is given"),
        (
            {"normalise": False},
            "set --normalise as in the training, or allow the difference with --settings_may_differ",
        ),
    ],
)
def test_weights_of_other_settings_are_refused_unless_that_is_meant(tmp_path, caplog, changed, message):
    path = str(with_settings(tmp_path / "model.pt"))
    given = {**SETTINGS, **changed}
    assert message in input_error(WeightsLoader(path, torch.nn.Linear(2, 3), given))
    WeightsLoader(path, torch.nn.Linear(2, 3), given, may_differ=list(changed))()
    assert f"trained with {next(iter(changed))} = " in caplog.text


COARSE = "SafeSpacingd pixdim=[2, 2, 2.5]"
STEPS = {"preprocessing": ["Orientationd axcodes=RAS", "SafeSpacingd pixdim=[1, 1, 1]"]}


@pytest.mark.parametrize("may_differ", ["spacing_mm", ["preprocessing", "spacing_mm"]])
def test_a_step_that_follows_a_setting_differs_with_it(tmp_path, caplog, may_differ):
    path = str(with_settings(tmp_path / "model.pt", SETTINGS | STEPS))
    given = SETTINGS | {"spacing_mm": (2, 2, 2.5), "preprocessing": [STEPS["preprocessing"][0], COARSE]}
    advice = """allow the difference with --settings_may_differ "['spacing_mm']"."""
    assert input_error(WeightsLoader(path, torch.nn.Linear(2, 3), given)).endswith(advice)
    WeightsLoader(path, torch.nn.Linear(2, 3), given, may_differ)()
    assert "trained with spacing_mm = [1.0, 1.0, 1.0], used with [2, 2, 2.5]." in caplog.text


@pytest.mark.parametrize(
    "steps",
    [
        ["Orientationd axcodes=LPS", COARSE],
        ["Orientationd axcodes=RAS", "SafeSpacingd pixdim=[2, 2, 3]"],
        ["Orientationd axcodes=RAS"],
        ["Orientationd axcodes=RAS", COARSE, "ScaleIntensityd minv=0 maxv=1"],
    ],
)
def test_another_difference_of_the_steps_is_refused_next_to_a_setting_that_may_differ(tmp_path, steps):
    path = str(with_settings(tmp_path / "model.pt", SETTINGS | STEPS))
    given = SETTINGS | {"spacing_mm": [2, 2, 2.5], "preprocessing": steps}
    error = input_error(WeightsLoader(path, torch.nn.Linear(2, 3), given, "spacing_mm"))
    assert "trained with preprocessing = " in error
    assert error.endswith("""--settings_may_differ "['spacing_mm', 'preprocessing']".""")


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ("NormalizeInBraind brain_key=None shift_air=True", "NormalizeInBraind brain_key=None shift_air=False"),
        ("ScaleIntensityd minv=0 maxv=0.5", "ScaleIntensityd minv=0 maxv=1"),
        ("ScaleIntensityd minv=0 maxv=0.55", "ScaleIntensityd minv=0 maxv=15"),
    ],
)
def test_a_step_whose_word_or_number_changes_as_a_setting_does_is_refused(tmp_path, then, now):
    trained = {"normalise": True, "pixel_size_um": 0.5, "preprocessing": [then]}
    path = str(with_settings(tmp_path / "model.pt", trained))
    given = {"normalise": False, "pixel_size_um": 1, "preprocessing": [now]}
    error = input_error(WeightsLoader(path, torch.nn.Linear(2, 3), given, ["normalise", "pixel_size_um"]))
    assert f"trained with preprocessing = ['{then}'], but preprocessing = ['{now}'] is given" in error


def test_a_step_follows_its_setting_where_another_setting_has_its_values(tmp_path):
    """The spacing becomes what the size of the crop was, and the other way round."""
    path = str(with_settings(tmp_path / "model.pt", SETTINGS | STEPS | {"crop_mm": [2, 2, 2.5]}))
    given = SETTINGS | {"spacing_mm": [2, 2, 2.5], "crop_mm": [1, 1, 1]}
    given["preprocessing"] = [STEPS["preprocessing"][0], COARSE]
    WeightsLoader(path, torch.nn.Linear(2, 3), given, ["spacing_mm", "crop_mm"])()


def test_other_settings_are_named_before_the_shapes_that_follow_from_them(tmp_path):
    path = str(with_settings(tmp_path / "model.pt"))
    error = input_error(WeightsLoader(path, torch.nn.Linear(1, 3), {**SETTINGS, "modalities": ["t1"]}))
    assert "trained with modalities = ['t1', 't2'], but modalities = ['t1'] is given" in error
    assert "of another shape" in input_error(WeightsLoader(path, torch.nn.Linear(1, 3), SETTINGS))


def test_the_override_names_all_that_differs_and_only_known_settings(tmp_path):
    path = str(with_settings(tmp_path / "model.pt"))
    given = {**SETTINGS, "modalities": ["t1"], "normalise": False}
    assert "\"['modalities', 'normalise']\"" in input_error(WeightsLoader(path, torch.nn.Linear(2, 3), given))
    error = input_error(WeightsLoader(path, torch.nn.Linear(2, 3), SETTINGS, may_differ="modality"))
    assert "'modality' is no such setting; give some of modalities, spacing_mm, normalise" in error


def test_equal_settings_of_another_type_load_without_a_word(tmp_path, caplog):
    given = {"modalities": ("t1", "t2"), "spacing_mm": [1, 1, 1], "normalise": True, "newer": 1}
    WeightsLoader(str(with_settings(tmp_path / "model.pt")), torch.nn.Linear(2, 3), given)()
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def test_weights_without_settings_load_with_one_warning(tmp_path, caplog):
    torch.save(torch.nn.Linear(2, 3).state_dict(), tmp_path / "model.pt")
    WeightsLoader(str(tmp_path / "model.pt"), torch.nn.Linear(2, 3), SETTINGS)()
    (warning,) = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert "check that modalities, spacing_mm, normalise are the same" in warning


def test_the_record_of_a_case_has_file_hash_and_settings_of_the_weights(tmp_path):
    path = with_settings(tmp_path / "model.pt")
    network = torch.nn.Linear(2, 3)
    cases = [{"image": torch.ones(2), "label": torch.ones(3), "case": name} for name in "abc"]
    seen = []
    SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(cases, batch_size=2),
        network=network,
        postprocessing=Compose([lambda item: seen.append(circumstances(item)["weights"]) or item]),
        val_handlers=[WeightsLoader(str(path), network, SETTINGS)],
    ).run()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert seen == [{"file": str(path), "sha256": digest, "settings": SETTINGS}] * len(cases)
    assert circumstances({"case": "a"})["weights"] is None
    json.dumps(seen)


def test_weights_that_say_what_they_were_trained_on_pass_it_on_to_log_and_record(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    path = with_settings(tmp_path / "model.pt", {**SETTINGS, "trained_on": "painted brains"})
    loader = WeightsLoader(str(path), torch.nn.Linear(2, 3), SETTINGS)
    loader()
    assert json.loads(loader.note)["trained_on"] == "painted brains"
    assert f"Loaded {path} (trained on painted brains)." in caplog.text
