import itertools

import pytest
from ignite.engine import Engine, Events
from monai.handlers import ParamSchedulerHandler

from shared.errors import InputError
from shared.handlers import LinearRamp
from shared.losses import RegionCurriculum


def values(ramp, epochs):
    return [ramp(current_step=epoch) for epoch in range(1, epochs + 1)]


def test_by_hand():
    """Eight epochs, all admitted after half of them; then one that begins at 0.2."""
    assert values(LinearRamp(8), 8) == [0, 0.25, 0.5, 0.75, 1, 1, 1, 1]
    assert values(LinearRamp(4, initial_value=0.2, full_at_share=1.0), 5) == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


@pytest.mark.parametrize("initial_value", [0.0, 0.1, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.77, 1.0])
def test_rises_to_exactly_1_and_stays(initial_value, share):
    found = values(LinearRamp(30, initial_value, share), 40)
    assert found[0] == pytest.approx(initial_value)
    assert all(earlier <= later for earlier, later in itertools.pairwise(found))
    assert set(found[30:]) == {1.0}


def test_handler_sets_the_curriculum_before_every_epoch_and_after_a_resume():
    curriculum, seen = RegionCurriculum(), []
    for first in (0, 2):
        engine = Engine(lambda engine, batch: seen.append(curriculum.admitted_uncertainty.item()))
        ParamSchedulerHandler(
            parameter_setter=curriculum.set_admitted_uncertainty,
            value_calculator=LinearRamp(4),
            vc_kwargs={},
            epoch_level=True,
            event=Events.EPOCH_STARTED,
        ).attach(engine)
        if first:
            engine.load_state_dict({"epoch": first, "max_epochs": 4, "epoch_length": 1})
        engine.run([0], max_epochs=4, epoch_length=1)
    assert seen == [0, 0.5, 1, 1, 1, 1]


def test_refuses_what_is_no_ramp():
    with pytest.raises(InputError, match=r"initial value must be in \[0, 1\], got 1.1"):
        LinearRamp(5, initial_value=1.1)
    with pytest.raises(InputError, match=r"full_at_share must be in \(0, 1\], got 0"):
        LinearRamp(5, full_at_share=0)
    with pytest.raises(ValueError, match="max_epochs must be at least 1"):
        LinearRamp(0)
