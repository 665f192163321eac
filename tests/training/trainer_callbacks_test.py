"""Callbacks live in a training as in Keras' `fit`, and may be of one round."""

import numpy as np
import pytest

from tests.models import (
    FEATURES,
    arrays,
    batches,
    compiled,
    equal,
    keras,
    tiny,
    with_state,
)
from tests.training.trainings import trainer_of
from tf_lottery import find_ticket
from tf_lottery.bindings.tf_keras.engine import Engine
from tf_lottery.bindings.tf_keras.layers import named_weights
from tf_lottery.search.rounds import run_rounds
from tf_lottery.training import pace

slow = pytest.mark.slow


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


@pytest.mark.first_case
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


@pytest.mark.parametrize("callbacks", [None, lambda *training: None])
def test_none_means_no_callbacks(callbacks):
    search = {"callbacks": callbacks, "validation_data": arrays(32, 1), "verbose": 0}
    assert find_ticket(compiled(tiny()), arrays(), 1, **search).masks


def test_a_function_may_return_one_callback():
    counter = Events(of_batches=False)
    trainer = trainer_of(compiled(tiny()), callbacks=lambda *training: counter)
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
    kernel = trainer._prepared.searched.live.read_weights()["hidden/kernel"]
    assert not kernel[~last.ticket.masks["hidden/kernel"]].any()


def test_slow_steps_are_taken_in_small_groups_so_that_a_signal_is_seen(monkeypatch):
    sizes = []
    taken = Engine._group_of

    def noted(self, size):
        sizes.append(size)
        return taken(self, size)

    def trained():
        trainer = trainer_of(compiled(with_state()), validation=batches(32, 1))
        return trainer.train(trainer.dense())

    monkeypatch.setattr(Engine, "_group_of", noted)
    undisturbed = trained()
    assert max(sizes) > 1
    sizes.clear()
    monkeypatch.setattr(pace, "_SECONDS", 0.0)  # as if each step took very long
    paced = trained()
    assert set(sizes) == {1}
    assert equal(paced.weights, undisturbed.weights)
    assert paced.curves == undisturbed.curves


class Looks(keras.callbacks.Callback):
    """Notes what a callback sees of the size of a group, in every hook."""

    def __init__(self, data):
        super().__init__()
        self.data, self.seen = data, set()

    def _look(self, *args):
        self.seen.add(int(self.model._steps_per_execution.numpy()))
        generator = (batch for batch in [self.data, self.data])
        self.model.predict((x for x, _ in generator), verbose=0)
        self.model.evaluate(*self.data, verbose=0)

    on_train_begin = on_train_end = on_epoch_begin = on_epoch_end = _look
    on_test_begin = on_test_end = _look


@pytest.mark.slow
def test_a_callback_sees_the_users_steps_per_execution_and_may_predict_on_anything():
    x, y = arrays(32, seed=1)
    callback = Looks((x, y))
    find_ticket(
        compiled(tiny()),
        arrays(),
        rounds=1,
        validation_data=(x, y),
        callbacks=[callback],
        verbose=0,
    )
    assert callback.seen == {1}


class NamesOfLogs(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.names = set()

    def on_epoch_end(self, epoch, logs=None):
        self.names |= set(logs)


@pytest.mark.slow
def test_callbacks_see_the_models_names_and_records_those_that_stay():
    def model():
        inputs = keras.Input((FEATURES,))
        outputs = [keras.layers.Dense(1)(inputs) for _ in range(2)]
        made = keras.Model(inputs, outputs)
        metrics = [[keras.metrics.AUC()], ["mae", keras.metrics.AUC()]]
        made.compile("sgd", ["mse", "mse"], metrics=metrics)
        return made

    x, y = arrays()[0], arrays()[1][:, None] % 2
    rows, seen = [], []
    for _ in range(2):
        callback, made = NamesOfLogs(), model()
        data = (x, (y, y))
        search = {"rounds": 1, "validation_data": data, "callbacks": [callback]}
        ticket = find_ticket(made, data, epochs=2, verbose=0, **search)
        rows.append(set(ticket.rows[1]))
        seen.append(callback.names)
        made.fit(x, [y, y], validation_data=data, verbose=0)
        assert callback.names == {*made.history.history, "round"}
    assert rows[0] == rows[1] >= {"val_dense_auc", "val_dense_1_auc_1", "dense_1_mae"}
    assert seen[0] != seen[1]


class ChangesWeights(keras.callbacks.Callback):
    """Changes all weights after each epoch, as clipping, decay or noise do."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def on_epoch_end(self, epoch, logs=None):
        self.model.set_weights([self.change(w) for w in self.model.get_weights()])


CHANGES = {
    "clipping": lambda w: np.clip(w, -0.2, 0.2),
    "decay": lambda w: 0.9 * w,
    "noise": lambda w: w + np.linspace(0.01, 0.02, w.size).reshape(w.shape),
}


@pytest.mark.slow
@pytest.mark.first_case
@pytest.mark.parametrize("change", CHANGES)
def test_a_callback_that_sets_all_weights_does_what_it_does_in_fit(change):
    model, callback = compiled(tiny()), ChangesWeights(CHANGES[change])
    trainer = trainer_of(model, validation=batches(32, 1), callbacks=[callback])
    rounds = list(run_rounds(trainer, trainer.plan))
    model.fit(batches(), epochs=2, verbose=0, callbacks=[callback])
    for path, weight in named_weights(model).items():
        assert (rounds[0].outcome.weights[path] == weight.numpy()).all()
    for each in rounds:
        for path, mask in each.ticket.masks.items():
            assert not each.outcome.weights[path][~mask].any()
            for held in trainer._prepared.searched.live._masks[path]:
                assert set(np.unique(held)) <= {0.0, 1.0}


class SeesModel(keras.callbacks.Callback):
    """Notes what can be seen of the model, and saves it in every way."""

    def __init__(self, path):
        super().__init__()
        self.path, self.seen = path, []

    def on_train_begin(self, logs=None):
        model, lines = self.model, []
        model.summary(print_fn=lambda line, **_: lines.append(line))
        hidden = keras.Model(model.inputs, model.get_layer("hidden").output)
        for name in ("m.keras", "m.h5", "saved_model"):
            model.save(f"{self.path}/{name}")
        for name in ("w.h5", "w.weights.h5", "checkpoint"):
            model.save_weights(f"{self.path}/{name}")
            model.load_weights(f"{self.path}/{name}")
        self.seen.append(
            [
                lines[1:],
                [layer.name for layer in model.layers],
                [w.name for w in model.weights],
                [w.name for w in model.trainable_weights],
                [w.name for w in model.non_trainable_weights],
                [w.tolist() for w in model.get_weights()],
                hidden(arrays()[0]).numpy().tolist(),
                model.count_params(),
            ]
        )


def test_a_callback_sees_the_users_model(tmp_path):
    model, callback = compiled(with_state()), SeesModel(tmp_path)
    trainer = trainer_of(model, callbacks=[callback])
    trainer.train(trainer.dense())
    ours = keras.models.load_model(tmp_path / "m.keras")
    loaded = [keras.models.load_model(tmp_path / n) for n in ("m.h5", "saved_model")]
    for name in ("w.h5", "w.weights.h5", "checkpoint"):
        loaded.append(keras.models.clone_model(model))
        loaded[-1].load_weights(tmp_path / name)
    model.fit(batches(), epochs=1, verbose=0, callbacks=[callback])
    assert callback.seen[0] == callback.seen[1]
    for each in (ours, *loaded):
        assert [w.tolist() for w in each.get_weights()] == callback.seen[0][5]


@pytest.mark.first_case
@pytest.mark.parametrize("name", ["denser.h5", "denser"])
def test_weights_that_a_callback_loads_are_masked(name, tmp_path):
    class Loads(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.load_weights(f"{tmp_path}/{name}")

    tiny().save_weights(f"{tmp_path}/{name}")
    trainer = trainer_of(compiled(tiny()), callbacks=[Loads()])
    *_, last = run_rounds(trainer, trainer.plan)
    for path, mask in last.ticket.masks.items():
        loaded = np.where(mask, last.ticket.state[path], 0)
        assert (last.outcome.weights[path] == loaded).all()


def test_final_figures_are_those_of_the_final_weights(validation):
    """Keras gives the best weights back when the training has ended."""
    stop = keras.callbacks.EarlyStopping(
        "val_loss", patience=3, restore_best_weights=True, mode="max"
    )
    ticket = find_ticket(
        compiled(tiny()),
        batches(),
        1,
        epochs=6,
        validation_data=validation,
        callbacks=[stop],
        allow_early_stop=True,
        verbose=0,
    )
    found, model = ticket.history[0].outcome, compiled(tiny())
    for path, weight in named_weights(model).items():
        weight.assign(found.weights[path])
    loss = model.evaluate(*validation, verbose=0)[0]
    assert found.metrics["final_val_loss"] == pytest.approx(loss, rel=1e-5)
