"""A training starts from given weights, unless it is resumed."""

import pytest
import torch
from ignite.engine import Engine

from shared.errors import InputError
from shared.handlers import InitialWeights


def started(network, **options):
    engine = Engine(lambda engine, batch: None)
    InitialWeights(network=network, **options).attach(engine)
    engine.run([{}], max_epochs=1)
    return engine


@pytest.mark.parametrize("resume", [False, True])
def test_weights_are_loaded_unless_the_training_is_resumed(tmp_path, resume):
    given, network = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    torch.save(given.state_dict(), tmp_path / "model.pt")
    own = network.weight.detach().clone()
    engine = started(network, load_path=str(tmp_path / "model.pt"), resume=resume)
    torch.testing.assert_close(network.weight, own if resume else given.weight)
    assert engine.state.batch == {}, "no note for the record of a case"


def test_missing_weights_are_named_with_the_option(tmp_path):
    with pytest.raises(InputError, match=r"none\.pt: .*pretrain first, or name other weights with --init_path"):
        started(torch.nn.Linear(2, 3), load_path=str(tmp_path / "none.pt"))
