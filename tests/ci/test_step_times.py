"""Seconds of a training step and of a case, by precision and form."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Engine, Events
from monai.bundle import ConfigParser

from ci import step_times
from shared.errors import InputError

BUNDLE = Path("bundles/colon_gland_segmentation_multiloss")


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    settings = json.loads((BUNDLE / "configs" / "tiny.json").read_text())["_phantoms_"]
    folder = str(tmp_path_factory.mktemp("phantoms"))
    ConfigParser({"phantoms": {**settings, "output_dir": folder}}).get_parsed_content("phantoms")
    return folder


def test_every_form_has_a_row_of_its_own_steps(phantoms, capsys, monkeypatch):
    watched = []

    class Watched(step_times.Stopwatch):
        def __init__(self, engine, *rest):
            super().__init__(engine, *rest)
            watched.append((engine, self))

    monkeypatch.setattr(step_times, "Stopwatch", Watched)
    step_times.main(
        str(BUNDLE), "fp32; fp32 channels-last", overlays="tiny", warm_up=1, repeats=2, dataset_dir=phantoms
    )
    title, _, head, _, *rows = capsys.readouterr().out.strip().splitlines()
    assert title.startswith(f"{BUNDLE.name} + tiny: PyTorch {torch.__version__}, CPU, ")
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    assert [row[0] for row in cells] == ["fp32", "fp32 channels-last"]
    for row in cells:
        assert len(row) == len(head.split("|")[1:-1])
        assert float(row[1]) > 0
        assert float(row[3]) > 0
        assert row[2] == row[4] == "", "memory is known of a GPU alone"
    assert [len(stopwatch.seconds) for _, stopwatch in watched] == [3] * 4
    trainers, evaluators = [engine for engine, _ in watched[::2]], [engine for engine, _ in watched[1::2]]
    assert [trainer.state.iteration for trainer in trainers] == [3, 3]
    for trainer, evaluator in zip(trainers, evaluators, strict=True):
        assert trainer.network is evaluator.network
    assert trainers[0].network is not trainers[1].network


def test_channels_last_changes_the_weights_layout(phantoms):
    settings = {"dataset_dir": phantoms}
    parser = step_times.configuration(BUNDLE, ["tiny"], "fp32 channels-last", settings)
    before = wide(parser.get_parsed_content("network"))
    assert not any(weight.is_contiguous(memory_format=torch.channels_last) for weight in before)
    step_times.row(parser, "fp32 channels-last", warm_up=0, repeats=1)
    after = wide(parser.get_parsed_content("network"))
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in after)


def wide(network):
    """Weights of convolutions whose layouts can be told apart: those over several channels and more than one pixel."""
    found = [weight for weight in network.parameters() if weight.dim() == 4 and min(weight.shape[1:]) > 1]
    assert found
    return found


@pytest.mark.parametrize(
    ("form", "overlays", "settings", "said"),
    [
        ("fp64", [], {}, "'fp64' is none"),
        ("fp32 quickly", [], {}, "'fp32 quickly' is none"),
        ("fp32", ["nowhere"], {}, "nowhere.json: no such file"),
        ("fp32", [], {"patchsize": 3}, "--patchsize: no such setting"),
    ],
)
def test_what_there_is_not_is_refused(form, overlays, settings, said):
    with pytest.raises(InputError, match=said):
        step_times.configuration(BUNDLE, overlays, form, settings)


@pytest.mark.skipif(torch.cuda.is_available(), reason="half precision works here")
def test_half_precision_needs_a_gpu():
    with pytest.raises(InputError, match="needs a GPU"):
        step_times.configuration(BUNDLE, [], "bf16", {})


def test_settings_reach_the_bundle_and_nothing_happens_beside_steps():
    parser = step_times.configuration(BUNDLE, [], "fp32", {"seed": 5})
    assert parser["seed"] == 5
    assert parser["amp"] is False
    for part in ("train", "validate"):
        assert [parser[part].get(name) for name in step_times.BESIDE_STEPS] == [None] * 4


def test_a_compiled_network_gets_plain_tensors(phantoms, monkeypatch):
    """Without a compiler: what is compiled is a network that looks at its input."""

    class Looking(torch.nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, image):
            seen.append(type(image))
            return self.network(image)

    seen = []
    monkeypatch.setattr(torch, "compile", Looking)
    parser = step_times.configuration(BUNDLE, ["tiny"], "fp32 compiled", {"dataset_dir": phantoms})
    step_times.row(parser, "fp32 compiled", warm_up=0, repeats=1)
    assert seen == [torch.Tensor] * 2


def test_a_stopwatch_times_iterations_alone_and_stops_after_enough(monkeypatch):
    """Reading takes 30 s here, an iteration 2 s, and what follows its end 5 s."""
    now = [0.0]
    monkeypatch.setattr(step_times, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def passes(seconds):
        now[0] += seconds

    def read():
        for batch in range(10):
            passes(30)
            yield batch

    engine = Engine(lambda engine, batch: passes(2))
    engine.state.device = torch.device("cpu")
    stopwatch = step_times.Stopwatch(engine, Events.ITERATION_COMPLETED, most=4)
    engine.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: passes(5))
    engine.run(read(), epoch_length=10, max_epochs=1)
    assert stopwatch.seconds == [2.0] * 4


def test_too_little_memory_is_a_cell_and_no_end(monkeypatch):
    engine = Engine(lambda engine, batch: None)
    engine.state.device = torch.device("cpu")

    def run():
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr(engine, "run", run)
    assert step_times.measured(engine, Events.ITERATION_COMPLETED, 1, 1) == ["out of memory", ""]
