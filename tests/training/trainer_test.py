"""A training is Keras' `fit`, bit for bit, with a look at chosen steps."""

import random

import numpy as np
import pytest

from tests.models import (
    BATCH,
    STEPS,
    arrays,
    batches,
    compiled,
    equal,
    keras,
    layers,
    tf,
    tiny,
    with_state,
)
from tf_lottery.core.plan import Plan
from tf_lottery.search.rounds import run_rounds
from tf_lottery.training.loop import GROUP
from tf_lottery.training.trainer import Trainer

slow = pytest.mark.slow
Adam, SGD = keras.optimizers.Adam, keras.optimizers.SGD


class Events(keras.callbacks.Callback):
    """Writes down which hook was called when, and the logs of epochs' ends."""

    def __init__(self, of_batches=True):
        super().__init__()
        self.seen, self.logs = [], []
        if of_batches:
            self.on_train_batch_begin = lambda b, logs=None: self._see("begin", b)
            self.on_train_batch_end = lambda b, logs=None: self._see("end", b)
            self._supports_tf_logs = True

    def _see(self, *event):
        self.seen.append(event)

    def on_train_begin(self, logs=None):
        self._see("train begin")

    def on_train_end(self, logs=None):
        self._see("train end")

    def on_epoch_begin(self, epoch, logs=None):
        self._see("epoch begin", epoch)

    def on_epoch_end(self, epoch, logs=None):
        self._see("epoch end", epoch)
        self.logs.append({k: v for k, v in logs.items() if k != "round"})

    def on_test_begin(self, logs=None):
        self._see("test begin")

    def on_test_end(self, logs=None):
        self._see("test end")


def trainer_of(model, data=None, validation=None, callbacks=(), **plan):
    data = batches() if data is None else data
    plan = {"rounds": 2} | ({} if "steps" in plan else {"epochs": 2}) | plan
    return Trainer(
        model, data, Plan(**plan), validation_data=validation, callbacks=callbacks
    )


def weights_of(model):
    return {w.name.split(":")[0]: w.numpy() for w in model.weights}


# As Keras `fit`.


@pytest.mark.parametrize("evaluate_every", [None, 2, pytest.param(4, marks=slow)])
def test_the_dense_round_is_fit_bit_for_bit(evaluate_every):
    model, data = compiled(with_state(dropout=0.0)), batches(32, seed=1)
    trainer = trainer_of(model, validation=data, evaluate_every=evaluate_every)
    outcome = trainer.train(trainer.dense())
    ours = trainer.model.history.history
    theirs = model.fit(batches(), epochs=2, validation_data=data, verbose=0).history
    assert equal(outcome.weights, weights_of(model))
    assert ours["loss"] == theirs["loss"]
    assert ours["accuracy"] == theirs["accuracy"]
    if evaluate_every is None:
        assert {k: v for k, v in ours.items() if k != "round"} == theirs


def test_sample_weights_and_weighted_metrics_are_those_of_fit():
    weights = np.linspace(0, 1, 96, dtype=np.float32)
    data = tf.data.Dataset.from_tensor_slices((*arrays(), weights)).batch(BATCH)
    model = compiled(tiny(), weighted_metrics=["accuracy"])
    trainer = trainer_of(model, data, validation=data)
    outcome = trainer.train(trainer.dense())
    model.fit(data, epochs=2, verbose=0)
    assert equal(outcome.weights, weights_of(model))
    found = {k[4:]: v for k, v in outcome.metrics.items() if k.startswith("val_")}
    assert found == model.evaluate(data, verbose=0, return_dict=True)


@pytest.mark.parametrize("every", [None, pytest.param(2, marks=slow)])
def test_averages_of_weights_end_as_in_fit(every):
    """Keras' `fit` ends with the averaged weights where the optimizer keeps them."""
    optimizer = Adam(0.05, use_ema=True, ema_overwrite_frequency=every)
    model = compiled(tiny(), optimizer)
    trainer = trainer_of(model)
    outcome = trainer.train(trainer.dense())
    model.fit(batches(), epochs=2, verbose=0)
    assert equal(outcome.weights, weights_of(model))


@pytest.mark.parametrize("group", [1, pytest.param(3, marks=slow), 4])
def test_callbacks_live_as_in_fit(group):
    """Also with groups that do not divide an epoch's steps."""
    model, data = compiled(tiny(), steps_per_execution=group), batches(32, seed=1)
    ours, theirs = Events(), Events()
    trainer = trainer_of(model, validation=data, callbacks=[ours])
    trainer.train(trainer.dense())
    model.fit(batches(), epochs=2, validation_data=data, verbose=0, callbacks=[theirs])
    assert ours.seen == theirs.seen
    assert ours.logs == theirs.logs


def test_after_a_rewind_callbacks_see_the_epoch_of_its_step():
    events = Events(of_batches=False)
    trainer = trainer_of(
        compiled(tiny()), callbacks=[events], epochs=3, rewind_to="1ep", rounds=1
    )
    list(run_rounds(trainer, trainer.plan))
    second = events.seen[events.seen.index(("train end",)) + 1 :]
    assert [e for e in second if "test" not in e[0]] == [
        ("train begin",),
        ("epoch begin", 1),
        ("epoch end", 1),
        ("epoch begin", 2),
        ("epoch end", 2),
        ("train end",),
    ]


def test_file_names_of_callbacks_may_hold_the_round(tmp_path):
    path = f"{tmp_path}/round_{{round}}_epoch_{{epoch}}.h5"
    saver = keras.callbacks.ModelCheckpoint(path, save_weights_only=True)
    trainer = trainer_of(compiled(tiny()), callbacks=[saver], rounds=1)
    list(run_rounds(trainer, trainer.plan))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"round_{r}_epoch_{e}.h5" for r in (0, 1) for e in (1, 2)
    ]


def test_callbacks_may_be_made_for_each_training():
    made = []

    def callbacks(round, replicate, control):
        made.append((round, replicate, control))
        return [keras.callbacks.TerminateOnNaN()]

    trainer = trainer_of(compiled(tiny()), callbacks=callbacks)
    list(run_rounds(trainer, trainer.plan))
    assert made == [(0, 0, None), (1, 0, None), (2, 0, None)]


def test_one_callback_needs_no_list():
    counter = Events(of_batches=False)
    trainer = trainer_of(compiled(tiny()), callbacks=counter)
    trainer.train(trainer.dense())
    assert len(counter.logs) == 2


def test_checkpoints_of_keras_hold_pruned_weights_as_zeros(tmp_path):
    """ModelCheckpoint before tfmot's callback saves them unmasked (issue 206)."""
    saver = keras.callbacks.ModelCheckpoint(
        f"{tmp_path}/{{round}}.h5", save_weights_only=True
    )
    trainer = trainer_of(compiled(tiny()), callbacks=[saver], rounds=1)
    *_, last = run_rounds(trainer, trainer.plan)
    trainer.model.load_weights(f"{tmp_path}/1.h5")
    kernel = trainer._live.read_weights()["hidden/kernel"]
    assert not kernel[~last.ticket.masks["hidden/kernel"]].any()


# Steps, validation, the best step.


@pytest.mark.parametrize("group, every", [(1, 4), (3, 5), (50, 1), (4, 3)])
def test_validation_comes_at_every_multiple_and_at_the_end(group, every):
    model = compiled(tiny(), steps_per_execution=group)
    trainer = trainer_of(
        model, validation=batches(32, 1), evaluate_every=every, steps=11
    )
    outcome = trainer.train(trainer.dense())
    expected = [*range(every, 11, every), 11]
    assert list(outcome.curves["step"]) == expected
    assert len(outcome.curves["val_loss"]) == len(expected)


def test_the_validation_passes_change_nothing():
    def final(every):
        trainer = trainer_of(
            compiled(with_state()), validation=batches(32, 1), evaluate_every=every
        )
        return trainer.train(trainer.dense()).weights

    assert equal(final(1), final(None))


@pytest.mark.parametrize("optimizer", [Adam, keras.optimizers.legacy.Adam])
def test_a_training_may_end_within_an_epoch(optimizer):
    model = compiled(tiny(), optimizer(0.01))
    trainer = trainer_of(model, validation=batches(32, 1), steps=8)
    outcome = trainer.train(trainer.dense())
    assert trainer.steps == outcome.last_step == 8
    assert int(trainer.model.optimizer.iterations) == 8
    model.fit(batches().repeat(), steps_per_epoch=8, verbose=0)
    assert equal(outcome.weights, weights_of(model))


def test_the_best_step_is_the_first_minimum():
    trainer = trainer_of(
        compiled(tiny(), SGD(0.0)), validation=batches(32, 1), evaluate_every=4
    )
    assert trainer.train(trainer.dense()).best_step == 4


def test_metrics_and_weights_are_those_of_the_best_step():
    model = compiled(tiny(), SGD(3.0, momentum=0.9))  # wild, so that it gets worse
    data = batches(32, seed=1)
    trainer = trainer_of(
        model, validation=data, evaluate_every=1, epochs=3, callbacks=[]
    )
    outcome = trainer.train(trainer.dense())
    losses = outcome.curves["val_loss"]
    assert outcome.best_step == outcome.curves["step"][int(np.argmin(losses))]
    assert outcome.best_step < outcome.last_step
    for weight in model.weights:
        weight.assign(outcome.best_weights[weight.name.split(":")[0]])
    expected = model.evaluate(data, verbose=0, return_dict=True)
    found = {k: outcome.metrics[f"val_{k}"] for k in expected}
    assert found == expected


def test_test_data_is_reported_at_the_best_and_at_the_last_step():
    model = compiled(tiny(), SGD(3.0, momentum=0.9))
    test = batches(48, seed=2)
    plan = Plan(epochs=3, evaluate_every=1)
    trainer = Trainer(
        model, batches(), plan, validation_data=batches(32, 1), test_data=test
    )
    outcome = trainer.train(trainer.dense())
    for weights, prefix in (
        (outcome.best_weights, "test_"),
        (outcome.weights, "final_test_"),
    ):
        for weight in model.weights:
            weight.assign(weights[weight.name.split(":")[0]])
        expected = model.evaluate(test, verbose=0, return_dict=True)
        assert {k: outcome.metrics[prefix + k] for k in expected} == expected


@pytest.mark.parametrize("counted", [True, False], ids=["counted", "unknown"])
@pytest.mark.parametrize("number", [2, GROUP + 3])
def test_a_tickets_metrics_can_be_had_without_training(number, counted):
    """Evaluated in groups, which the number of batches need not be a multiple of."""
    model, data = compiled(tiny()), batches(number * BATCH - 5, 1)
    data = data if counted else data.filter(lambda *_: True)
    trainer = trainer_of(model, validation=data)
    expected = model.evaluate(data, verbose=0, return_dict=True)
    found = trainer.evaluate(trainer.dense())
    assert found == {f"val_{name}": value for name, value in expected.items()}


def test_without_validation_data_the_training_loss_decides():
    trainer = trainer_of(compiled(tiny()))
    outcome = trainer.train(trainer.dense())
    assert trainer.monitors[0] == "accuracy"
    assert "val_loss" not in outcome.metrics
    losses = outcome.curves["loss"]
    assert outcome.best_step == outcome.curves["step"][int(np.argmin(losses))]


# One model serves all rounds.


@pytest.mark.parametrize(
    "kind", ["arrays", "dataset", pytest.param("endless", marks=slow)]
)
def test_nothing_is_traced_again(kind):
    data = {
        "arrays": arrays(90),
        "dataset": batches(90),
        "endless": batches(90).repeat(),
    }[kind]
    trainer = trainer_of(
        compiled(with_state()),
        data,
        validation=batches(32, 1),
        evaluate_every=4,
        steps=8,
        steps_per_epoch=6,
        rewind_to=3,
        rounds=3,
        batch_size=BATCH if kind == "arrays" else None,
    )
    list(run_rounds(trainer, trainer.plan))
    assert trainer.traces == 1


def test_training_a_ticket_twice_gives_the_same():
    """Nothing is left over from the training before."""
    trainer = trainer_of(compiled(with_state()), validation=batches(32, 1))
    first, *_ = run_rounds(trainer, trainer.plan)
    again = trainer.train(first.ticket)
    assert equal(again.weights, first.outcome.weights)
    assert again.curves == first.outcome.curves


def test_a_rewind_brings_the_dense_training_back_bit_for_bit():
    """From step k with full masks, the rest of the training repeats itself."""
    trainer = trainer_of(compiled(with_state()), rewind_to=4, batch_size=None)
    dense = trainer.dense()
    outcome = trainer.train(dense)
    step, state = outcome.next_start
    assert step == 4
    again = trainer.train(
        type(dense)(dense.masks, state, step, round=1, plan=trainer.plan)
    )
    assert equal(again.weights, outcome.weights)


# What is left as it was found.


def test_the_users_model_is_never_changed():
    model = compiled(with_state(), metrics=[keras.metrics.SparseCategoricalAccuracy()])
    model.fit(batches(), verbose=0)
    optimizer = model.optimizer

    def state():
        variables = [*model.variables, *optimizer.variables]
        return [v.numpy() for v in variables] + [
            float(m.result()) for m in model.metrics
        ]

    def attributes():
        return [set(vars(part)) for part in (model, optimizer, *model.layers)]

    before, had, ids = state(), attributes(), [id(la) for la in model.layers]
    *_, last = run_rounds(t := trainer_of(model, validation=batches(32, 1)), t.plan)
    last.ticket.apply(model)
    assert all(np.array_equal(a, b) for a, b in zip(state(), before, strict=True))
    assert attributes() == had
    assert [id(la) for la in model.layers] == ids
    assert model.optimizer is optimizer
    model.fit(batches(), verbose=0)  # and it still works


def test_global_seeds_and_policies_are_left_as_they_were():
    def drawn():
        initial = keras.initializers.GlorotUniform()((3, 3)).numpy()
        dropped = layers.Dropout(0.5)(tf.ones((3, 3)), training=True).numpy()
        stateful = tf.random.uniform((3,)).numpy()
        arrays = [initial, dropped, stateful, np.random.random(3)]
        return [random.random(), *(a.tolist() for a in arrays)]

    keras.utils.set_random_seed(7)
    expected = drawn()
    keras.utils.set_random_seed(7)
    flag = keras.backend.experimental.is_tf_random_generator_enabled()
    trainer = trainer_of(lambda: compiled(with_state()), lambda seed: arrays())
    list(run_rounds(trainer, trainer.plan))
    now = keras.backend.experimental.is_tf_random_generator_enabled()
    assert drawn() == expected
    assert now == flag
    assert keras.mixed_precision.global_policy().name == "float32"


def test_a_model_function_is_called_under_the_seed():
    def make():
        return compiled(
            keras.Sequential([keras.Input((8,)), layers.Dense(3, name="logits")])
        )

    def initial(seed):
        tf.random.uniform(())  # whatever was drawn before
        return trainer_of(make, seed=seed).dense().state["logits/kernel"]

    assert (initial(0) == initial(0)).all()
    assert (initial(0) != initial(1)).any()


def test_a_built_model_gives_its_weights_and_not_its_optimizers_state():
    model = compiled(with_state())
    model.fit(batches(), verbose=0)
    trainer = trainer_of(model)
    state = trainer.dense().state
    assert all((state[n] == w).all() for n, w in weights_of(model).items())
    assert int(trainer.model.optimizer.iterations) == 0


# Errors in the middle.


def test_a_callback_that_stops_early_is_an_error():
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=100.0)
    trainer = trainer_of(compiled(tiny()), callbacks=[stop], epochs=4)
    with pytest.raises(RuntimeError, match=r"round 0 at step 12 .*allow_early_stop"):
        trainer.train(trainer.dense())


@pytest.mark.parametrize("evaluate_every", [None, 4, 100])
def test_a_callback_may_stop_early_if_allowed(evaluate_every):
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=100.0)
    plan = Plan(epochs=4, rounds=1, evaluate_every=evaluate_every)
    trainer = Trainer(
        compiled(tiny()),
        batches(),
        plan,
        validation_data=batches(32, 1),
        callbacks=[stop],
        allow_early_stop=True,
    )
    outcome = trainer.train(trainer.dense())
    assert outcome.last_step == 2 * STEPS
    assert "val_loss" in outcome.metrics


@pytest.mark.parametrize("where", ["loss", "val_loss"])
def test_a_loss_that_becomes_nan_stops_with_round_and_step(where):
    class Poison(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 0:
                self.model.get_layer(index=-1).layer.bias.assign([np.nan] * 3)

    def callbacks(round, replicate, control):
        return [Poison()] if round == 1 else []

    trainer = trainer_of(
        compiled(tiny()), validation=batches(32, 1), callbacks=callbacks, epochs=3
    )
    with pytest.raises(FloatingPointError, match=r"round 1 by step \d+"):
        list(run_rounds(trainer, trainer.plan))


def test_an_infinite_validation_loss_does_not_break_the_outcome():
    def loss(y, outputs):
        return tf.reduce_mean(outputs) * 0 + np.inf

    model = tiny()
    model.compile(SGD(0.0), loss)
    trainer = trainer_of(model, validation=batches(32, 1))
    outcome = trainer.train(trainer.dense())
    assert outcome.best_weights.keys() == outcome.weights.keys()
    assert outcome.best_step == STEPS


@pytest.mark.parametrize("epochs", [1, 2])
def test_weights_that_are_changed_behind_the_optimizer_are_an_error(epochs):
    class Revive(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            kernel = self.model.get_layer(index=-1).layer.kernel
            kernel.assign(np.ones(kernel.shape))

    def callbacks(round, replicate, control):
        return [Revive()] if round == 1 else []

    trainer = trainer_of(compiled(tiny()), callbacks=callbacks, epochs=epochs)
    with pytest.raises(RuntimeError, match="'logits/kernel' became nonzero in round 1"):
        list(run_rounds(trainer, trainer.plan))
