"""What a user is told before a search: what ends a training, what decides nothing."""

import pytest

from tests import models
from tests.models import keras
from tf_lottery import Plan, Trainer

ARRAYS = models.arrays()


class Stopping(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch == 3


class Counting(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.epochs = epoch


def warned(plan=None, **given):
    given = {"validation_data": ARRAYS, **given}
    plan = plan or Plan(epochs=2)
    trainer = Trainer(models.compiled(models.tiny()), ARRAYS, plan, **given)
    return [
        each for each in trainer.notes.warnings if "from its file alone" not in each
    ]


@pytest.mark.parametrize(
    "callback",
    [keras.callbacks.EarlyStopping(), Stopping()],
    ids=lambda callback: type(callback).__name__,
)
def test_what_may_end_a_training_early_is_named(callback):
    (said,) = warned(callbacks=[Counting(), callback])
    assert said.startswith(f"{type(callback).__name__} may end a training early.")
    assert warned(callbacks=[callback], allow_early_stop=True) == []


def test_other_callbacks_are_not_named():
    callbacks = [Counting(), keras.callbacks.ReduceLROnPlateau()]
    assert warned(callbacks=callbacks) == []


@pytest.mark.parametrize(
    "plan, is_short",
    [
        (Plan(epochs=1), True),
        (Plan(steps=2), True),
        (Plan(epochs=2), False),
        (Plan(steps=2, evaluate_every=1), False),
    ],
)
def test_a_length_that_cannot_decide_is_said(plan, is_short):
    found = warned(plan)
    assert [("validated only once" in each) for each in found] == [True] * is_short


def test_a_model_most_of_which_cannot_be_pruned_is_said():
    layers = keras.layers
    inputs = keras.Input((models.FEATURES,))
    frozen = layers.Dense(16, trainable=False, name="frozen")(inputs)
    model = keras.Model(inputs, layers.Dense(models.CLASSES, name="logits")(frozen))
    trainer = Trainer(models.compiled(model), ARRAYS, Plan(), validation_data=ARRAYS)
    assert model.count_params() == 195
    (said,) = [note for note in trainer.notes.plain if "can be pruned" in note]
    assert said.startswith("Only 48 of 195 parameters (24.6%) can be pruned.")
    tiny = models.compiled(models.tiny())
    plain = Trainer(tiny, ARRAYS, Plan(), validation_data=ARRAYS).notes.plain
    assert not any("can be pruned" in note for note in plain)
