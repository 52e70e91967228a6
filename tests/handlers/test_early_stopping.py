import pytest
from ignite.engine import Engine, Events

from shared.handlers import EarlyStopping


def train(scores, patience, first_epoch=0, best=-1):
    """Return the epoch after which a training whose validations score so has ended."""
    evaluator = Engine(lambda engine, batch: None)
    evaluator.state.best_metric_epoch = best
    evaluator.state.best_metric = -1.0 if best == -1 else max(scores[:best])
    trainer = Engine(lambda engine, batch: None)

    def validate(engine):
        score = scores[engine.state.epoch - 1]
        if score is not None and score > evaluator.state.best_metric:
            evaluator.state.best_metric, evaluator.state.best_metric_epoch = score, engine.state.epoch

    trainer.add_event_handler(Events.EPOCH_COMPLETED, validate)
    EarlyStopping(evaluator, patience).attach(trainer)
    trainer.add_event_handler(Events.STARTED, lambda engine: setattr(engine.state, "epoch", first_epoch))
    trainer.run([0], max_epochs=len(scores))
    return trainer.state.epoch


def test_the_training_ends_when_the_best_is_too_old():
    assert train([0.5, 0.7, 0.6, 0.7, 0.69, 0.9], patience=3) == 5  # equal is no progress
    assert train([0.5, 0.7, 0.6, 0.71, 0.6, 0.6], patience=3) == 6


def test_patience_counts_epochs_of_which_not_all_are_validated():
    assert train([None, 0.5, None, 0.4, None, None, None, None], patience=4) == 6
    assert train([None] * 5, patience=2) == 5, "nothing was validated yet"


def test_a_resumed_training_ends_where_an_unbroken_one_does():
    scores = [0.5, 0.7, 0.6, 0.6, 0.6, 0.6, 0.6]
    assert train(scores, patience=3) == train(scores, patience=3, first_epoch=3, best=2) == 5


def test_without_patience_the_training_never_ends_early():
    assert train([0.7] + [0.5] * 5, patience=None) == 6


def test_senseless_patience_is_refused():
    with pytest.raises(ValueError, match="patience_epochs"):
        EarlyStopping(Engine(lambda engine, batch: None), 0)
