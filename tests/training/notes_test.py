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
