"""The forms in which steps are timed, and the configuration of a bundle in a form."""

import json
from pathlib import Path

import pytest
import torch
from timed_bundle import BUNDLE, ON_CPU

from ci.timing.step_forms import configuration, forms_of
from shared.errors import InputError


@pytest.mark.parametrize("forms", ["fp64", "fp32 quickly", "bf16;", "", "fp32; fp32"])
def test_forms_that_there_are_not_and_forms_given_twice_are_refused(forms):
    with pytest.raises(InputError, match=r"is none|twice"):
        forms_of(forms)


def test_forms_are_separated_by_semicolons_and_words_by_blanks():
    assert forms_of("fp32;bf16  channels-last compiled ") == ["fp32", "bf16 channels-last compiled"]


@pytest.mark.parametrize(
    ("overlays", "settings", "said"),
    [
        (["nowhere"], {}, "nowhere.json: no such file"),
        ([], {"patchsize": 3}, "--patchsize: no such setting"),
        ([], {"dataset_dir": "run#2"}, "--dataset_dir: 'run#2' holds '#'"),
        ([], {"max_epochs": 3}, "--max_epochs: is set by this command"),
        ([], {"device": "cpu"}, "--device: write"),
    ],
)
def test_overlays_and_settings_that_cannot_be_timed_are_refused(overlays, settings, said):
    with pytest.raises(InputError, match=said):
        configuration(BUNDLE, overlays, "fp32", settings)


def test_half_precision_needs_a_gpu():
    with pytest.raises(InputError, match="needs a GPU"):
        configuration(BUNDLE, [], "bf16", ON_CPU)


@pytest.mark.parametrize(
    ("form", "arguments"),
    [("fp32", {}), ("fp16 compiled", {"dtype": torch.float16}), ("bf16", {"dtype": torch.bfloat16})],
)
def test_a_precision_reaches_both_engines(form, arguments):
    parser = configuration(BUNDLE, [], form, {"device": "$torch.device('cuda')"})
    assert parser["amp"] is bool(arguments)
    for engine in ("train::trainer", "validate::evaluator"):
        assert parser[engine]["amp_kwargs"] == arguments


@pytest.mark.parametrize("bundle", sorted(Path("bundles").glob("*/configs/train.json")), ids=lambda file: file.parts[1])
def test_nothing_happens_beside_steps_in_any_bundle(bundle):
    """What clips gradients is a part of the step: the breast bundle's."""
    before = json.loads(bundle.read_text())
    parser = configuration(bundle.parents[1], [], "fp32", {"seed": 5})
    assert (parser["seed"], parser["cache_rate"]) == (5, 0.0)
    for part, engine in (("train", "trainer"), ("validate", "evaluator")):
        assert not parser[part][engine]["decollate"]
        for name in {"postprocessing", "key_metric", "additional_metrics"} & before[part].keys():
            assert parser[part][name] is None
        kept = [handler["_target_"] for handler in parser[part]["handlers"]]
        all_of_them = [handler["_target_"] for handler in before[part]["handlers"]]
        assert kept == [name for name in all_of_them if name == "shared.handlers.GradientClip"]
