"""Seconds of a training step and of a case, by precision and form."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from tiny_phantoms import paint_tiny_phantoms

from ci.timing import step_parts, step_times
from shared.errors import InputError

BUNDLE = Path("bundles/colon_gland_segmentation_multiloss")
ON_CPU, ON_GPU = {"device": "$torch.device('cpu')"}, {"device": "$torch.device('cuda')"}


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    return str(paint_tiny_phantoms(BUNDLE, tmp_path_factory.mktemp("phantoms")))


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


@pytest.mark.parametrize("forms", ["fp64", "fp32 quickly", "bf16;", "", "fp32; fp32"])
def test_forms_that_there_are_not_and_forms_given_twice_are_refused(forms):
    with pytest.raises(InputError, match=r"is none|twice"):
        step_times.forms_of(forms)


def test_forms():
    assert step_times.forms_of("fp32;bf16  channels-last compiled ") == ["fp32", "bf16 channels-last compiled"]


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
def test_what_makes_no_sense_is_refused(overlays, settings, said):
    with pytest.raises(InputError, match=said):
        step_times.configuration(BUNDLE, overlays, "fp32", settings)


@pytest.mark.parametrize("numbers", [{"repeats": 0}, {"warm_up": -1}, {"repeats": 1.5}])
def test_senseless_numbers_of_iterations_are_refused(numbers):
    with pytest.raises(InputError, match="whole numbers"):
        step_times.main(str(BUNDLE), **numbers)


def test_half_precision_needs_a_gpu():
    with pytest.raises(InputError, match="needs a GPU"):
        step_times.configuration(BUNDLE, [], "bf16", ON_CPU)


@pytest.mark.parametrize(
    ("form", "arguments"),
    [("fp32", {}), ("fp16 compiled", {"dtype": torch.float16}), ("bf16", {"dtype": torch.bfloat16})],
)
def test_a_precision_reaches_both_engines(form, arguments):
    parser = step_times.configuration(BUNDLE, [], form, ON_GPU)
    assert parser["amp"] is bool(arguments)
    for engine in ("train::trainer", "validate::evaluator"):
        assert parser[engine]["amp_kwargs"] == arguments


@pytest.mark.parametrize("bundle", sorted(Path("bundles").glob("*/configs/train.json")), ids=lambda file: file.parts[1])
def test_nothing_happens_beside_steps_in_any_bundle(bundle):
    """What clips gradients is a part of the step: the breast bundle's."""
    before = json.loads(bundle.read_text())
    parser = step_times.configuration(bundle.parents[1], [], "fp32", {"seed": 5})
    assert (parser["seed"], parser["cache_rate"]) == (5, 0.0)
    for part, engine in (("train", "trainer"), ("validate", "evaluator")):
        assert not parser[part][engine]["decollate"]
        for name in {"postprocessing", "key_metric", "additional_metrics"} & before[part].keys():
            assert parser[part][name] is None
        kept = [handler["_target_"] for handler in parser[part]["handlers"]]
        all_of_them = [handler["_target_"] for handler in before[part]["handlers"]]
        assert kept == [name for name in all_of_them if name == "shared.handlers.GradientClip"]


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


def test_a_profile_has_all_parts_of_a_training_and_leaves_no_files(phantoms, capsys, tmp_path, monkeypatch):
    """Two epochs of two steps, validated and drawn each; the first one does not count."""
    options = {"overlays": "tiny", "warm_up": 1, "repeats": 1, "dataset_dir": phantoms, **ON_CPU}
    step_times.main(str(BUNDLE), "fp32", profile=True, **options)
    _, _, form, _, head, _, *rows = capsys.readouterr().out.strip().splitlines()
    assert (form, head) == ("fp32:", "| part | seconds a step | share (%) |")
    cells = {row.split("|")[1].strip(): [float(cell) for cell in row.split("|")[2:4]] for row in rows}
    assert [part for part in step_parts.PARTS if part not in cells] == ["figures"], "drawn in every tenth epoch"
    assert list(cells)[-1] == "all"
    assert cells["all"][1] == 100
    assert sum(share for part, (_, share) in cells.items() if part != "all") == pytest.approx(100, abs=1)


def test_a_clock_counts_what_is_within_another_part_once(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(step_parts, "time", SimpleNamespace(process_time=lambda: now[0]))

    def passes(seconds):
        now[0] += seconds

    def log():
        passes(2)
        draw()
        passes(1)

    clock = step_parts.Clock(torch.device("cpu"))
    draw, log = clock.timed("figures", lambda: passes(4)), clock.timed("log", log)
    clock.switch("forward")
    passes(8)
    log()
    passes(16)
    clock.switch("rest")
    assert dict(clock.seconds) == {"rest": 0.0, "forward": 24.0, "log": 3.0, "figures": 4.0}
    assert step_parts.table({"log": 3.0, "forward": 9.0, "figures": 0.0}, steps=2).splitlines()[2:] == [
        "| forward | 4.5000 | 75.0 |",
        "| log | 1.5000 | 25.0 |",
        "| all | 6.0000 | 100.0 |",
    ]


def test_a_compiled_form_has_no_profile():
    with pytest.raises(InputError, match="'fp32 compiled' has no profile"):
        step_times.main(str(BUNDLE), "fp32; fp32 compiled", profile=True)
