"""The schedule and the callback in one stock `fit` give the tickets of the search."""

import numpy as np
import pytest

from tests.models import STEPS, arrays, batches, compiled, equal, keras, tiny
from tests.strategies import in_blocks
from tf_lottery.bindings.tf_keras._imports import sparsity
from tf_lottery.bindings.tf_keras.tfmot.rewind import RewindWeights
from tf_lottery.bindings.tf_keras.tfmot.schedule import LotterySchedule
from tf_lottery.bindings.tf_keras.tfmot.wrap import copy_model, mask_variables
from tf_lottery.core.plan import Plan
from tf_lottery.search.rounds import run_rounds
from tf_lottery.training.trainer import Trainer

new, legacy = keras.optimizers, keras.optimizers.legacy
slow = pytest.mark.slow

OPTIMIZERS = {
    "Adam": lambda: new.Adam(0.02),
    "momentum": lambda: new.SGD(0.1, momentum=0.9),
    "legacy Adam": lambda: legacy.Adam(0.02),
    "legacy momentum": lambda: legacy.SGD(0.1, momentum=0.9),
}


def stock(schedule, optimizer=None, make=tiny, **arguments):
    """A model in tfmot's wrappers, by tfmot's own call."""
    model = sparsity.prune_low_magnitude(copy_model(make()), pruning_schedule=schedule)
    return compiled(model, optimizer, **arguments)


def repeated(rounds, steps, start=0):
    """A training's batches again for each round, from step `start` on."""
    data = batches().repeat().take(steps)
    for _ in range(rounds):
        data = data.concatenate(batches().repeat().take(steps).skip(start))
    return data


def searched(optimizer, steps, **plan):
    plan = Plan(rounds=2, pruning_rate=0.3, steps=steps, **plan)
    trainer = Trainer(compiled(tiny(), optimizer), batches(), plan)
    return list(run_rounds(trainer, plan))


@pytest.mark.first_case
@pytest.mark.parametrize(
    "optimizer, group",
    [
        ("Adam", 1),
        ("momentum", 5),
        pytest.param("Adam", 5, marks=slow),
        pytest.param("momentum", 1, marks=slow),
        pytest.param("legacy Adam", 1, marks=slow),
        ("legacy momentum", 5),
    ],
)
def test_one_stock_fit_gives_the_tickets_of_the_search(optimizer, group):
    schedule = LotterySchedule(rounds=2, steps_per_round=10, pruning_rate=0.3)
    model = stock(schedule, OPTIMIZERS[optimizer](), steps_per_execution=group)
    callback = RewindWeights(schedule)
    model.fit(repeated(2, 10), verbose=0, callbacks=[callback])
    rounds = searched(OPTIMIZERS[optimizer](), 10)
    assert len(callback.tickets) == len(rounds) == 3
    for mine, theirs in zip(callback.tickets, rounds, strict=True):
        assert mine.masks == theirs.ticket.masks
        assert equal(mine.weights, theirs.ticket.weights)
    # After the last pruning, training goes on with the last ticket.
    final = {w.name.split(":")[0]: w.numpy() for w in model.trainable_weights}
    for path, mask in callback.tickets[-1].masks.items():
        expected = rounds[-1].outcome.weights[path]
        assert (final[path][mask] == expected[mask]).all()


def test_one_stock_fit_in_blocks_gives_the_tickets_of_the_search():
    schedule = LotterySchedule(2, 10, pruning_rate=0.3, block_size=(1, 4))
    model, callback = stock(schedule), RewindWeights(schedule)
    model.fit(repeated(2, 10), verbose=0, callbacks=[callback])
    rounds = searched(None, 10, block_size=(1, 4))
    for mine, theirs in zip(callback.tickets, rounds, strict=True):
        assert mine.masks == theirs.ticket.masks
        assert in_blocks(mine.masks, (1, 4))
    # 10 blocks of 4 weights: 10 - 3 = 7, 7 - 2 = 5; 15 weights: 15 - 4 - 3 = 8.
    kept = callback.tickets[-1].masks.kept_by_layer()
    assert kept == {"hidden/kernel": 20, "logits/kernel": 8}


@pytest.mark.parametrize("optimizer", ["Adam", pytest.param("momentum", marks=slow)])
def test_late_rewinding_gives_the_tickets_of_the_search(optimizer):
    schedule = LotterySchedule(
        rounds=2, steps_per_round=6, pruning_rate=0.3, begin_step=4
    )
    model = stock(schedule, OPTIMIZERS[optimizer]())
    callback = RewindWeights(schedule, rewind_to=4)
    model.fit(repeated(2, 10, start=4), verbose=0, callbacks=[callback])
    rounds = searched(OPTIMIZERS[optimizer](), 10, rewind_to=4)
    assert [t.step for t in callback.tickets] == [4, 4, 4]
    for mine, theirs in zip(callback.tickets[1:], rounds[1:], strict=True):
        assert mine.masks == theirs.ticket.masks
        assert equal(mine.weights, theirs.ticket.weights)


def test_over_several_epochs_the_rounds_go_on():
    schedule = LotterySchedule(rounds=2, steps_per_round=STEPS, pruning_rate=0.3)
    model, callback = stock(schedule), RewindWeights(schedule)
    model.fit(batches(), epochs=3, verbose=0, callbacks=[callback])
    assert [len(t.masks) for t in callback.tickets] == [2, 2, 2]
    expected = searched(None, STEPS)
    assert [t.masks for t in callback.tickets] == [r.ticket.masks for r in expected]


def test_an_epochs_validation_sees_what_was_trained_not_what_it_is_rewound_to():
    schedule = LotterySchedule(rounds=2, steps_per_round=STEPS, pruning_rate=0.3)
    model, callback = stock(schedule), RewindWeights(schedule)
    validation = batches(32, seed=1)
    fitted = model.fit(
        batches(), epochs=2, verbose=0, callbacks=[callback], validation_data=validation
    )
    dense = compiled(tiny())
    expected = dense.fit(batches(), validation_data=validation, verbose=0)
    assert fitted.history["val_loss"][0] == expected.history["val_loss"][0]
    assert len(callback.tickets) == 3  # the last one decided when `fit` ended


def test_pruned_weights_are_zero_at_epochs_ends_and_after_stripping():
    schedule = LotterySchedule(rounds=1, steps_per_round=STEPS, pruning_rate=0.5)
    model, callback = stock(schedule), RewindWeights(schedule)
    model.fit(batches(), epochs=3, verbose=0, callbacks=[callback])
    stripped = sparsity.strip_pruning(model)
    zeros = [int((la.kernel.numpy() == 0).sum()) for la in stripped.layers]
    assert zeros == [20, 8]


def test_a_second_fit_starts_a_second_search():
    schedule = LotterySchedule(rounds=1, steps_per_round=STEPS, pruning_rate=0.5)
    model, callback = stock(schedule), RewindWeights(schedule)
    for _ in range(2):
        model.fit(batches(), epochs=2, verbose=0, callbacks=[callback])
        assert len(callback.tickets) == 2
        assert callback.tickets[0].density == 1.0


# What must not pass silently.


@pytest.mark.parametrize("callbacks", [[], ["stock"]], ids=["none", "tfmot's"])
def test_without_the_callback_the_first_step_fails(callbacks):
    schedule = LotterySchedule(rounds=1, steps_per_round=STEPS)
    model = stock(schedule)
    before = [w.numpy() for w in model.trainable_weights]
    callbacks = [sparsity.UpdatePruningStep() for _ in callbacks]
    with pytest.raises(Exception, match=r"RewindWeights|UpdatePruningStep"):
        model.fit(batches(), verbose=0, callbacks=callbacks)
    after = [w.numpy() for w in model.trainable_weights]
    assert all((a == b).all() for a, b in zip(after, before, strict=True))


@pytest.mark.slow
def test_without_the_callback_the_message_names_it():
    schedule = LotterySchedule(rounds=1, steps_per_round=STEPS)
    with pytest.raises(Exception, match=r"tf_lottery.RewindWeights\(schedule\)"):
        stock(schedule).fit(
            batches(), verbose=0, callbacks=[sparsity.UpdatePruningStep()]
        )


def test_after_a_fit_that_failed_the_callback_is_still_needed():
    class Fails(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    schedule = LotterySchedule(rounds=1, steps_per_round=STEPS)
    model = stock(schedule)
    with pytest.raises(KeyboardInterrupt):
        model.fit(batches(), verbose=0, callbacks=[RewindWeights(schedule), Fails()])
    with pytest.raises(Exception, match="RewindWeights"):
        model.fit(batches(), verbose=0, callbacks=[sparsity.UpdatePruningStep()])


@pytest.mark.parametrize(
    "group, steps, rewind_to, hidden",
    [(4, 6, 0, r"\[6\]"), (3, 6, 2, r"\[2\]"), (5, 4, 0, r"\[4, 8\]")],
)
def test_grouped_steps_that_hide_a_boundary_are_an_error(
    group, steps, rewind_to, hidden
):
    schedule = LotterySchedule(rounds=2, steps_per_round=steps)
    model = stock(schedule, steps_per_execution=group)
    before = [w.numpy() for w in model.trainable_weights]
    with pytest.raises(ValueError, match=f"steps_per_execution={group}.*{hidden}"):
        model.fit(
            batches().repeat(),
            steps_per_epoch=60,
            verbose=0,
            callbacks=[RewindWeights(schedule, rewind_to)],
        )
    after = [w.numpy() for w in model.trainable_weights]
    assert all((a == b).all() for a, b in zip(after, before, strict=True))


@pytest.mark.first_case
@pytest.mark.parametrize("group", [4, 6])
def test_groups_that_end_at_each_boundary_are_none(group):
    """An epoch's last group is shorter, so that also 4 can divide 6 steps."""
    schedule = LotterySchedule(rounds=1, steps_per_round=STEPS)
    model, callback = (
        stock(schedule, steps_per_execution=group),
        RewindWeights(schedule),
    )
    model.fit(batches(), epochs=2, verbose=0, callbacks=[callback])
    assert len(callback.tickets) == 2


def test_the_callback_needs_a_model_wrapped_with_its_schedule():
    mine, other = (LotterySchedule(n, steps_per_round=STEPS) for n in (1, 2))
    for model in (stock(other), compiled(tiny())):
        with pytest.raises(ValueError, match="same `schedule`"):
            model.fit(batches(), verbose=0, callbacks=[RewindWeights(mine)])


def test_a_rewind_after_the_first_pruning_is_an_error():
    schedule = LotterySchedule(1, steps_per_round=4)
    with pytest.raises(ValueError, match="rewind_to=5"):
        stock(schedule).fit(
            batches(), verbose=0, callbacks=[RewindWeights(schedule, 5)]
        )


def test_a_fit_that_is_too_short_warns():
    schedule = LotterySchedule(rounds=3, steps_per_round=STEPS)
    with pytest.warns(UserWarning, match="2 of 3 rounds were not run"):
        stock(schedule).fit(batches(), verbose=0, callbacks=[RewindWeights(schedule)])


def test_a_rewind_in_epochs_of_unknown_length_is_an_error():
    schedule = LotterySchedule(1, steps_per_round=STEPS)
    data = batches().filter(lambda x, y: True)
    model = stock(schedule)
    with pytest.raises(ValueError, match="rewind_to"):
        model.fit(data, epochs=2, verbose=0, callbacks=[RewindWeights(schedule, "1ep")])


# The schedule as a value.


def test_a_schedule_is_saved_and_loaded_with_the_model(tmp_path):
    schedule = LotterySchedule(
        2,
        STEPS,
        0.3,
        layer_rates={"logits": 0.1},
        criterion="movement",
        block_size=(1, 4),
        begin_step=4,
    )
    stock(schedule).save(tmp_path / "model.keras")
    with sparsity.prune_scope():
        model = keras.models.load_model(tmp_path / "model.keras")
    loaded = [w.pruning_schedule for w in model.layers]
    assert all(type(s) is LotterySchedule for s in loaded)
    assert all(s.get_config() == schedule.get_config() for s in loaded)


def test_a_loaded_model_trains_with_the_callback(tmp_path):
    stock(LotterySchedule(1, STEPS, 0.5)).save(tmp_path / "model.keras")
    with sparsity.prune_scope():
        model = keras.models.load_model(tmp_path / "model.keras")
    callback = RewindWeights(model.layers[0].pruning_schedule)
    model.fit(batches(), epochs=2, verbose=0, callbacks=[callback])
    assert callback.tickets[-1].density == 27 / 55


def test_a_trained_model_keeps_its_masks_through_a_file(tmp_path):
    schedule = LotterySchedule(1, STEPS, 0.5)
    model, callback = stock(schedule), RewindWeights(schedule)
    model.fit(batches(), epochs=2, verbose=0, callbacks=[callback])
    model.save(tmp_path / "model.keras")
    with sparsity.prune_scope():
        loaded = keras.models.load_model(tmp_path / "model.keras")
    kept = [int(m.numpy().sum()) for ms in mask_variables(loaded).values() for m in ms]
    assert kept == [20, 7]
    x = arrays()[0]
    assert (loaded.predict(x, verbose=0) == model.predict(x, verbose=0)).all()


@pytest.mark.parametrize(
    "arguments, named",
    [
        ({"pruning_rate": 20}, "pruning_rate"),
        ({"rounds": 0}, "rounds"),
        ({"scope": "locally"}, "scope"),
        ({"block_size": 4}, "block_size"),
        ({"begin_step": -1}, "begin_step"),
    ],
    ids=str,
)
def test_a_schedule_checks_its_arguments(arguments, named):
    with pytest.raises(ValueError, match=named):
        LotterySchedule(**{"rounds": 1, "steps_per_round": 5} | arguments)


def test_boundaries_count_from_the_first_step():
    schedule = LotterySchedule(3, steps_per_round=10, begin_step=4)
    assert schedule.boundaries == [14, 24, 34]


def test_a_schedule_never_asks_tfmot_for_masks():
    schedule = LotterySchedule(1, 5)
    schedule.attached.assign(True)
    assert not np.any(schedule(3)[0])
