"""Weights load whatever prefix or wrapper they were saved with; those of other networks or settings are refused."""

import hashlib
import json
import logging
from collections import OrderedDict

import pytest
import torch
from monai.data import DataLoader
from monai.engines import SupervisedEvaluator
from monai.transforms import Compose
from test_checkpoint import OF_ANOTHER_KIND, input_error, train

from shared.errors import InputError
from shared.handlers import WeightsLoader, read_model_settings, with_model_settings
from shared.transforms.case_record import circumstances

SETTINGS = {"modalities": ["t1", "t2"], "spacing_mm": [1.0, 1.0, 1.0], "normalise": True}


@pytest.mark.parametrize("content", [b"", b"no weights", b"a page", b"\x80\x02}q\x00U", b"h2", b"version https://"])
def test_what_is_no_checkpoint_is_refused_whatever_unpickling_makes_of_it(tmp_path, content):
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    assert "not a readable checkpoint" in input_error(WeightsLoader(str(path), torch.nn.Linear(2, 3)))
    other = path.rename(tmp_path / f"{len(content)}.safetensors")
    assert "not a readable checkpoint (truncated?)" in input_error(WeightsLoader(str(other), torch.nn.Linear(2, 3)))


@pytest.mark.parametrize("content", [*OF_ANOTHER_KIND, {"model": {1: 2}}, {"weight": 1, "bias": 2}, {"model": {}}])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "model.pt")
    loader = WeightsLoader(str(tmp_path / "model.pt"), torch.nn.Linear(2, 3))
    assert "weights of another network" in input_error(loader)


def test_weights_loader_loads_and_names_what_does_not_fit(tmp_path):
    path = tmp_path / "model.pt"
    assert "no such checkpoint; train first" in input_error(WeightsLoader(str(path), torch.nn.Linear(2, 3)))
    saved = torch.nn.Linear(2, 3)
    for content in (saved.state_dict(), {"model": saved.state_dict()}):
        torch.save(content, path)
        network = torch.nn.Linear(2, 3)
        WeightsLoader(str(path), network)()
        assert torch.equal(network.weight, saved.weight)
    error = input_error(WeightsLoader(str(path), torch.nn.Linear(5, 3)))
    assert "of another shape 1 (e.g. 'weight': (3, 2) in the file, (3, 5) in the network)" in error
    assert "weights of another network" in input_error(WeightsLoader(str(path), torch.nn.Conv1d(2, 3, 1, bias=False)))
    path.write_bytes(path.read_bytes()[:100])
    assert "not a readable checkpoint" in input_error(WeightsLoader(str(path), torch.nn.Linear(2, 3)))


def small_network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Conv2d(2, 2, 1))


def renamed(prefix):
    return {prefix + name: value for name, value in small_network().state_dict().items()}


class InModule(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.network = small_network()
        self.loss_weight = torch.nn.Parameter(torch.ones(()))


def saved_forms():
    weights = small_network().state_dict()
    compiled_part = OrderedDict((name.replace("0.", "0._orig_mod."), value) for name, value in weights.items())
    optimizer = torch.optim.Adam(small_network().parameters()).state_dict()
    return {
        "plain": weights,
        "DataParallel": renamed("module."),
        "torch.compile": renamed("_orig_mod."),
        "both": renamed("module._orig_mod."),
        "both, the other way round": renamed("_orig_mod.module."),
        "one compiled part": compiled_part,
        "any prefix": renamed("backbone.unet."),
        "a training module with a loss": {"state_dict": InModule().state_dict(), "epoch": 3},
        "Lightning": {"state_dict": renamed("net."), "optimizer_states": [optimizer], "hyper_parameters": {"a": 1}},
        "model_state_dict": {"model_state_dict": renamed("module."), "optimizer_state_dict": optimizer, "epoch": 3},
        "MONAI": {"net": weights, "optimizer": optimizer},
        "nnU-Net": {"network_weights": weights, "optimizer_state": optimizer, "init_args": {"a": ["b"]}},
        "an unknown wrapper": {"best": {"generator": weights}, "epoch": 3},
        "checkpoint.pt": {"objects": {"network": weights, "optimizer": optimizer}, "epoch": 2, "scaler": {}},
        "averaged": {"n_averaged": torch.tensor(3), **renamed("module.")},
        "network before its average": {"network": weights, "ema": {n: v * 0 for n, v in weights.items()}},
        "half": {name: value.half() if value.is_floating_point() else value for name, value in weights.items()},
        "bfloat16": {name: value.bfloat16() if value.is_floating_point() else value for name, value in weights.items()},
        "with other entries": {**weights, "epoch": 3, "name": "best"},
    }


@pytest.mark.parametrize("form", saved_forms())
def test_every_form_of_the_same_weights_loads(tmp_path, form):
    torch.save(saved_forms()[form], tmp_path / "model.pt")
    network = small_network()
    torch.nn.init.zeros_(network[0].weight)
    WeightsLoader(str(tmp_path / "model.pt"), network)()
    for name, value in small_network().state_dict().items():
        assert network.state_dict()[name].dtype == value.dtype
        torch.testing.assert_close(network.state_dict()[name], value, atol=2e-3, rtol=1e-2)


def test_what_is_left_out_is_named(tmp_path, caplog):
    torch.save(saved_forms()["with other entries"], tmp_path / "model.pt")
    WeightsLoader(str(tmp_path / "model.pt"), small_network())()
    assert "2 entries are not of this network and left out, e.g. epoch (int)" in caplog.text


def test_an_error_counts_what_really_differs_and_shows_the_first_of_each(tmp_path):
    weights = renamed("module.")
    del weights["module.1.bias"], weights["module.1.running_mean"]
    weights["module.3.weight"] = torch.zeros(1)
    weights["module.0.weight"] = torch.zeros(2, 4, 3, 3)
    torch.save(weights, tmp_path / "model.pt")
    assert (
        "9 entries are expected, 8 are there without the prefix 'module.': missing 2 (e.g. '1.bias'), superfluous 1 "
        "(e.g. '3.weight'), of another shape 1 (e.g. '0.weight': (2, 4, 3, 3) in the file, "
        "(2, 1, 3, 3) in the network); use this bundle's own weights"
    ) in input_error(WeightsLoader(str(tmp_path / "model.pt"), small_network()))


def test_entries_that_should_be_tensors_are_named(tmp_path):
    torch.save({"weight": torch.zeros(3, 2), "bias": 2}, tmp_path / "model.pt")
    error = input_error(WeightsLoader(str(tmp_path / "model.pt"), torch.nn.Linear(2, 3)))
    assert "2 entries are expected, 1 are there: no tensor 1 (e.g. bias (int)); use" in error


def test_two_state_dicts_that_fit_equally_well_are_refused(tmp_path):
    torch.save({**renamed("teacher."), **renamed("student.")}, tmp_path / "model.pt")
    error = input_error(WeightsLoader(str(tmp_path / "model.pt"), small_network()))
    assert "holds several state dicts that fit, 'student.' and 'teacher.'" in error


def test_python_objects_and_numbers_that_are_not_finite_are_refused(tmp_path):
    path = tmp_path / "model.pt"
    torch.save(torch.nn.Linear(2, 3), path)
    error = input_error(WeightsLoader(str(path), torch.nn.Linear(2, 3)))
    assert "it holds a torch.nn.modules.linear.Linear, only tensors are read; save network.state_dict()" in error
    torch.save({"weight": torch.full((3, 2), torch.nan), "bias": torch.zeros(3)}, path)
    assert "'weight' holds numbers that are not finite" in input_error(WeightsLoader(str(path), torch.nn.Linear(2, 3)))


def with_settings(path, settings=SETTINGS):
    torch.save(with_model_settings(torch.nn.Linear(2, 3).state_dict(), settings), path)
    return path


def test_settings_stay_in_a_state_dict_that_loads_as_any_other(tmp_path):
    saved = torch.load(with_settings(tmp_path / "model.pt"), weights_only=True)
    torch.nn.Linear(2, 3).load_state_dict(saved)
    assert list(saved) == ["weight", "bias"]
    assert read_model_settings(saved._metadata) == SETTINGS


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


def test_every_file_of_a_training_stores_the_settings(tmp_path):
    train(tmp_path, settings=SETTINGS)
    for name in ("model.pt", "model_last.pt"):
        assert read_model_settings(torch.load(tmp_path / name, weights_only=True)._metadata) == SETTINGS
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert read_model_settings(saved["objects"]["network"]._metadata) == SETTINGS
    train(tmp_path, settings=SETTINGS, resume=True)


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


def test_other_settings_are_named_before_the_shapes_that_follow_from_them(tmp_path):
    path = str(with_settings(tmp_path / "model.pt"))
    error = input_error(WeightsLoader(path, torch.nn.Linear(1, 3), {**SETTINGS, "modalities": ["t1"]}))
    assert "trained with modalities = ['t1', 't2'], but modalities = ['t1'] is given" in error
    assert "of another shape" in input_error(WeightsLoader(path, torch.nn.Linear(1, 3), SETTINGS))


def test_several_files_are_an_ensemble_of_networks_of_their_own(tmp_path):
    paths = [tmp_path / name for name in ("one.pt", "two.pt")]
    saved = [torch.nn.Linear(2, 3) for _ in paths]
    for path, network in zip(paths, saved, strict=True):
        torch.save(network.state_dict(), path)
    loader = WeightsLoader(list(map(str, paths)), torch.nn.Linear(2, 3), ensemble=True)
    loader()
    assert [torch.equal(mine.weight, its.weight) for mine, its in zip(loader.networks, saved, strict=True)] == [
        True
    ] * 2
    assert loader.networks[0] is loader.network
    noted = json.loads(loader.note)["ensemble"]
    assert [file["sha256"] for file in noted] == [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    loader()
    assert len(loader.networks) == 2


def test_an_ensemble_is_refused_where_nothing_averages_it(tmp_path):
    with pytest.raises(InputError, match=r"--ckpt_path: 2 files are an ensemble, which only inference averages"):
        WeightsLoader(["a.pt", "b.pt"], torch.nn.Linear(2, 3))
    for files in ([], ["a.pt", "./a.pt"]):
        with pytest.raises(InputError, match="--ckpt_path: expected different files"):
            WeightsLoader(files, torch.nn.Linear(2, 3), ensemble=True)
