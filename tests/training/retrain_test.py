"""Where a sparser ticket starts: everything as it was at step k, bit for bit."""

import itertools

import numpy as np
import pytest

from tests.models import STEPS, arrays, batches, compiled, keras, tiny, with_state
from tf_lottery.core.plan import Plan
from tf_lottery.search.rounds import run_rounds
from tf_lottery.training.trainer import Trainer

new, legacy = keras.optimizers, keras.optimizers.legacy
slow = pytest.mark.slow


class Begin(keras.callbacks.Callback):
    """Keeps what the live model holds when a training begins."""

    def __init__(self):
        super().__init__()
        self.states = []

    def on_train_begin(self, logs=None):
        self.states.append(self.live.read())


def searched(model, *callbacks, **plan):
    """The rounds, and the live state at the beginning of each."""
    begin = Begin()
    plan = Plan(**{"rounds": 2, "epochs": 2} | plan)
    trainer = Trainer(model, batches(), plan, callbacks=[*callbacks, begin])
    begin.live = trainer._prepared.searched.live
    return list(run_rounds(trainer, plan)), begin.states, trainer


def assert_starts_from(state, expected, masks):
    """Everything is as expected; what the masks remove is zero, its slots too."""
    assert state.keys() == expected.keys()
    for name, array in expected.items():
        path = next((p for p in masks if p in name), None)
        kept = masks[path] if path and masks[path].shape == array.shape else ...
        np.testing.assert_array_equal(state[name][kept], array[kept], err_msg=name)
        if kept is not ...:
            assert not state[name][~kept].any()


def trained_to(step, make_optimizer, group):
    """The state of a plain training at a step: the oracle."""
    plan = Plan(rounds=1, steps=max(step, 1))
    model = compiled(with_state(), make_optimizer(), steps_per_execution=group)
    trainer = Trainer(model, batches(), plan)
    if step:
        trainer.train(trainer.dense())
    return trainer._prepared.searched.live.read()


REWINDS = [
    (0, 3, "Adam"),
    (7, 1, "Adam"),
    (7, 50, "legacy Adam"),
    ("1ep", 3, "momentum"),
    pytest.param("1ep", 50, "Adam", marks=slow),
    pytest.param(7, 3, "Adam", marks=slow),
    pytest.param(7, 3, "legacy Adam", marks=slow),
    pytest.param(7, 50, "momentum", marks=slow),
    pytest.param(0, 1, "legacy Adam", marks=slow),
]
OPTIMIZERS = {
    "Adam": lambda: new.Adam(0.02),
    "legacy Adam": lambda: legacy.Adam(0.02),
    "momentum": lambda: new.SGD(0.1, momentum=0.9, weight_decay=0.01),
}


@pytest.mark.first_case
@pytest.mark.parametrize("rewind_to, group, optimizer", REWINDS)
def test_everything_returns_to_step_k(rewind_to, group, optimizer):
    step = STEPS if rewind_to == "1ep" else rewind_to
    expected = trained_to(step, OPTIMIZERS[optimizer], group)
    model = compiled(with_state(), OPTIMIZERS[optimizer](), steps_per_execution=group)
    rounds, states, _ = searched(model, rewind_to=rewind_to)
    assert [r.ticket.step for r in rounds] == [0, step, step]
    assert "random:drop" in expected
    for round, state in zip(rounds[1:], states[1:], strict=True):
        assert round.ticket.density < 1
        assert_starts_from(state, expected, round.ticket.masks)


def test_the_loss_scale_returns_to_its_value():
    def make():
        inner, start = new.SGD(0.1), 8.0
        return keras.mixed_precision.LossScaleOptimizer(
            inner, initial_scale=start, dynamic_growth_steps=2
        )

    rounds, states, trainer = searched(compiled(with_state(), make()), rewind_to=7)
    assert float(trainer.model.optimizer.loss_scale) == 8 * 2**6
    assert_starts_from(states[1], trained_to(7, make, 1), rounds[1].ticket.masks)


def test_trainings_after_a_rewind_end_at_the_same_step():
    rounds, _, trainer = searched(compiled(tiny()), rewind_to=7)
    assert [r.outcome.last_step for r in rounds] == [12, 12, 12]
    assert int(trainer.model.optimizer.iterations) == 12


def test_the_masks_are_decided_from_the_trained_weights():
    rounds, _, _ = searched(compiled(tiny()), rewind_to=7, pruning_rate=0.5)
    for before, after in itertools.pairwise(rounds):
        for path, mask in after.ticket.masks.items():
            trained = np.abs(before.outcome.weights[path])
            removed = before.ticket.masks[path] & ~mask
            assert trained[mask].min() >= trained[removed].max()


def test_lr_rewind_starts_from_the_final_weights_and_a_fresh_optimizer():
    rounds, states, _ = searched(compiled(with_state()), retrain="lr_rewind")
    for before, round, state in zip(rounds, rounds[1:], states[1:], strict=False):
        assert round.ticket.step == 0
        expected = states[0] | dict(before.outcome.weights)
        assert_starts_from(state, expected, round.ticket.masks)


@pytest.mark.first_case
@pytest.mark.parametrize("optimizer", ["Adam", "legacy Adam"])
def test_fine_tune_goes_on_from_everything_at_the_end(optimizer):
    model = compiled(with_state(), OPTIMIZERS[optimizer]())
    rounds, states, trainer = searched(model, retrain="fine_tune")
    for before, round, state in zip(rounds, rounds[1:], states[1:], strict=False):
        assert round.ticket.step == 0
        expected = states[0] | dict(before.outcome.next_start[1])
        assert_starts_from(state, expected, round.ticket.masks)
        for path, weight in before.outcome.weights.items():
            mask = round.ticket.masks.get(path, ...)
            assert (state[path][mask] == weight[mask]).all()
    assert int(trainer.model.optimizer.iterations) == 3 * 2 * STEPS


class Rates(keras.callbacks.Callback):
    """The learning rate after every step."""

    def __init__(self):
        super().__init__()
        self.rates = [[]]

    def on_train_begin(self, logs=None):
        self.rates.append([])

    def on_train_batch_end(self, batch, logs=None):
        self.rates[-1].append(float(self.model.optimizer.learning_rate))


def halving():
    """1, 1/2, 1/4, ... each step."""
    return keras.optimizers.schedules.ExponentialDecay(1.0, 1, 0.5)


@pytest.mark.parametrize("retrain", ["rewind", "lr_rewind"])
def test_a_schedule_starts_again_in_every_round(retrain):
    rates = Rates()
    searched(compiled(tiny(), new.SGD(halving())), rates, retrain=retrain, epochs=1)
    first, *others = rates.rates[1:]
    assert first == [0.5**n for n in range(STEPS)]
    assert others == [first] * 2


@pytest.mark.parametrize("kind", [new, legacy], ids=["new", "legacy"])
def test_fine_tuning_holds_the_last_rate_of_a_schedule(kind):
    """Plain SGD moves a weight by rate x gradient: the rate that was really used."""
    model = compiled(tiny(), kind.SGD(halving()))
    _, _, trainer = searched(model, retrain="fine_tune", epochs=1)
    optimizer = trainer.model.optimizer
    assert int(optimizer.iterations) == 3 * STEPS
    schedule = (
        optimizer._hyper["learning_rate"]
        if kind is legacy
        else optimizer._learning_rate
    )
    rates = [float(schedule(step)) for step in range(3 * STEPS)]
    assert rates == [0.5 ** min(n, STEPS - 1) for n in range(3 * STEPS)]


def test_fine_tuning_trains_at_the_last_rate_of_a_schedule():
    rates = Rates()
    model = compiled(tiny(), new.SGD(halving()))
    searched(model, rates, retrain="fine_tune", epochs=1)
    last = 0.5 ** (STEPS - 1)
    assert rates.rates[2:] == [[last] * STEPS] * 2


@pytest.mark.parametrize("kind", [new, legacy], ids=["new", "legacy"])
def test_a_rate_that_a_callback_lowered_does_not_leak_into_the_next_round(kind):
    plateau = keras.callbacks.ReduceLROnPlateau(
        "loss", factor=0.1, patience=0, min_delta=100.0
    )
    rates = Rates()
    model = compiled(tiny(), kind.SGD(0.5))
    searched(model, plateau, rates, epochs=3)
    first, *others = rates.rates[1:]
    assert len(set(first)) > 1
    assert others == [first] * 2


def test_fine_tuning_keeps_a_rate_that_a_callback_lowered():
    plateau = keras.callbacks.ReduceLROnPlateau(
        "loss", factor=0.1, patience=0, min_delta=100.0
    )
    rates = Rates()
    model = compiled(tiny(), new.SGD(0.5))
    searched(model, plateau, rates, epochs=3, retrain="fine_tune", rounds=1)
    first, second = rates.rates[1:]
    assert second[0] <= first[-1] < first[0]


def test_the_last_rate_of_a_schedule_can_be_saved_and_loaded():
    from tf_lottery.bindings.tf_keras.hold import LastRate

    schedule = keras.optimizers.schedules
    config = schedule.serialize(LastRate(halving(), 4))
    loaded = schedule.deserialize(config)
    assert [float(loaded(n)) for n in (0, 3, 9)] == [1.0, 0.125, 0.125]


def test_one_shot_is_one_round_at_the_final_sparsity():
    from tf_lottery import one_shot

    with pytest.warns(UserWarning):
        ticket = one_shot(
            compiled(tiny()), arrays(), 0.6, epochs=2, batch_size=16, verbose=0
        )
    assert ticket.masks.kept_by_layer() == {"hidden/kernel": 16, "logits/kernel": 6}
    assert len(ticket.history) == 2
