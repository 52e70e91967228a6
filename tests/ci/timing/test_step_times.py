"""Seconds of a training step and of a case, by precision and form."""

from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from timed_bundle import BUNDLE, ON_CPU

from ci.timing import step_times
from shared.errors import InputError


def test_every_form_has_a_row_of_its_own_steps(phantoms, capsys, monkeypatch):
    watched = []

    class Watched(step_times.Stopwatch):
        def __init__(self, engine, *rest):
            super().__init__(engine, *rest)
            watched.append((engine, self))

    monkeypatch.setattr(step_times, "Stopwatch", Watched)
    options = {"overlays": "tiny", "warm_up": 1, "repeats": 2, "dataset_dir": phantoms, **ON_CPU}
    step_times.main(str(BUNDLE), "fp32; fp32 channels-last", **options)
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
    evaluators, trainers = [engine for engine, _ in watched[::2]], [engine for engine, _ in watched[1::2]]
    assert [trainer.state.iteration for trainer in trainers] == [3, 3]
    for trainer, evaluator in zip(trainers, evaluators, strict=True):
        assert trainer.network is evaluator.network
    assert trainers[0].network is not trainers[1].network


def test_channels_last_changes_the_weights_layout(phantoms):
    parser = step_times.configuration(BUNDLE, ["tiny"], "fp32 channels-last", {"dataset_dir": phantoms, **ON_CPU})
    parser["network"] = "$@network_def.to(@device)"
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


@pytest.mark.parametrize("numbers", [{"repeats": 0}, {"warm_up": -1}, {"repeats": 1.5}])
def test_senseless_numbers_of_iterations_are_refused(numbers):
    with pytest.raises(InputError, match="whole numbers"):
        step_times.main(str(BUNDLE), **numbers)


def test_an_empty_part_is_refused(phantoms):
    settings = {"dataset_dir": phantoms, "validate::dataloader": [], **ON_CPU}
    parser = step_times.configuration(BUNDLE, ["tiny"], "fp32", settings)
    with pytest.raises(InputError, match="no images"):
        step_times.row(parser, "fp32", warm_up=0, repeats=1)


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
    parser = step_times.configuration(BUNDLE, ["tiny"], "fp32 compiled", {"dataset_dir": phantoms, **ON_CPU})
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


def test_too_little_memory_is_a_cell_and_leaves_nothing_behind(phantoms):
    """It strikes in the loss, when predictions hold all that their gradients need."""

    def too_large(*_):
        raise torch.cuda.OutOfMemoryError

    parser = step_times.configuration(BUNDLE, ["tiny"], "fp32", {"dataset_dir": phantoms, **ON_CPU})
    trainer = parser.get_parsed_content("train::trainer")
    trainer.loss_function = too_large
    assert step_times.measured(trainer, IterationEvents.MODEL_COMPLETED, 1, 1) == ["out of memory", ""]
    assert trainer.state.output is None
    assert trainer.state.batch is None
