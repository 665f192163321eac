"""Callbacks must act on the model that is trained, not on the one that was passed."""

import warnings

import pytest

from tests.fakes import Killed
from tests.models import arrays, compiled, keras, tiny
from tests.training.trainings import Kill, trainer_of
from tf_lottery import find_ticket

model = None  # as in a notebook
Lambda = keras.callbacks.LambdaCallback


class ByGlobalName(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        model.optimizer.learning_rate.assign(0.5)


class ByAttribute(keras.callbacks.Callback):
    def __init__(self, held):
        super().__init__()
        self.held = held


class Holder:
    """An object of the user's."""

    def __init__(self, held):
        self.held = held


class BySelf(keras.callbacks.Callback):
    """A global `model` is none of its business."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.optimizer.learning_rate.assign(0.5)


def by_closure(made):
    return Lambda(on_epoch_end=lambda *_: made.optimizer.learning_rate.assign(0.5))


HOLDS = {
    "'on_epoch_end' uses the model": by_closure,
    "'on_epoch_end' uses the model that": lambda made: ByGlobalName(),
    "'held' uses the model": ByAttribute,
    "'held' uses the layer 'hidden'": lambda made: ByAttribute([made.layers[0]]),
    "'held' uses the weight 'hidden/bias'": lambda made: ByAttribute(
        {"bias": made.layers[0].bias}
    ),
    "'held.held' uses the model": lambda made: ByAttribute(Holder(made)),
    "'held' uses the optimizer": lambda made: ByAttribute(made.optimizer),
}


@pytest.mark.parametrize("message", HOLDS)
@pytest.mark.parametrize("as_function", [False, True])
def test_a_callback_that_uses_the_passed_model_is_refused(
    message, as_function, monkeypatch
):
    made = compiled(tiny())
    monkeypatch.setitem(globals(), "model", made)
    callbacks = [HOLDS[message](made)]
    given = (lambda *training: callbacks) if as_function else callbacks
    with pytest.raises(ValueError, match=f"as `self.model`.*whose {message}"):
        find_ticket(made, arrays(), 1, callbacks=given, verbose=0)


def test_other_callbacks_are_not_also_after_a_fit(monkeypatch, tmp_path):
    made = compiled(tiny())
    monkeypatch.setitem(globals(), "model", made)
    other = compiled(tiny())
    callbacks = [
        BySelf(),
        ByAttribute(other),
        keras.callbacks.EarlyStopping("loss", restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau("loss"),
        keras.callbacks.TensorBoard(tmp_path),
        keras.callbacks.ModelCheckpoint(f"{tmp_path}/m.keras", "loss"),
        keras.callbacks.CSVLogger(f"{tmp_path}/log.csv"),
        Lambda(on_epoch_end=lambda epoch, logs: None),
    ]
    made.fit(*arrays(), verbose=0, callbacks=callbacks)
    trainer = trainer_of(made, callbacks=callbacks)
    trainer.train(trainer.dense())


def test_a_backup_of_keras_is_refused(tmp_path):
    backup = keras.callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(ValueError, match=r"BackupAndRestore.*`run_dir`"):
        find_ticket(compiled(tiny()), arrays(), 1, callbacks=[backup], verbose=0)


@pytest.mark.first_case
@pytest.mark.parametrize("counts", [True, False])
def test_a_resumed_training_says_that_callbacks_start_again(
    counts, tmp_path, always_written
):
    callback = keras.callbacks.EarlyStopping("loss", patience=9)
    kept = callback if counts else keras.callbacks.TerminateOnNaN()

    def search(*more):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            data, options = arrays(), {"epochs": 3, "run_dir": tmp_path, "verbose": 0}
            find_ticket(compiled(tiny()), data, 1, callbacks=[kept, *more], **options)
        return [str(each.message) for each in said]

    with pytest.raises(Killed):
        search(Kill("on_epoch_begin", 2))
    lost = [text for text in search() if "callbacks start again" in text]
    assert len(lost) == counts
    assert all("EarlyStopping lost what they counted" in text for text in lost)
