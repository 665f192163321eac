"""Trainings of small models, and how one is ended in the middle of it."""

from tests.fakes import Killed
from tests.models import (
    BATCH,
    arrays,
    batches,
    equal,
    keras,
    tf,
)
from tf_lottery.core.plan import Plan
from tf_lottery.training.trainer import Trainer


class Kill(keras.callbacks.Callback):
    """Ends the search at a hook of a round's callbacks, once."""

    def __init__(self, hook, number=None):
        super().__init__()
        setattr(self, hook, lambda *args, **kwargs: self._kill(number, *args))

    def _kill(self, number, *args):
        if number is None or args[0] == number:
            raise Killed


def slices():
    return tf.data.Dataset.from_tensor_slices(arrays())


def shuffled():
    """A function that makes batches in another order in each pass, by the seed."""
    return lambda seed: slices().shuffle(96, seed=seed + 3).batch(BATCH)


def trainer_of(model, data=None, validation=None, callbacks=(), **plan):
    data = batches() if data is None else data
    plan = {"rounds": 2} | ({} if "steps" in plan else {"epochs": 2}) | plan
    return Trainer(
        model, data, Plan(**plan), validation_data=validation, callbacks=callbacks
    )


def overwrite(variable, value):
    """Sets a variable as an operation does that does not respect masks."""
    value = tf.constant(value, variable.dtype, variable.shape)
    tf.raw_ops.AssignVariableOp(resource=variable.handle, value=value)


def weights_of(model):
    return {w.name.split(":")[0]: w.numpy() for w in model.weights}


def assert_same_rounds(mine, theirs):
    """Two lists of rounds that hold the same, bit for bit."""
    assert len(mine) == len(theirs)
    for one, other in zip(mine, theirs, strict=True):
        assert (one.number, one.control) == (other.number, other.control)
        assert one.ticket.masks == other.ticket.masks
        assert one.ticket.step == other.ticket.step
        assert equal(one.ticket.weights, other.ticket.weights)
        assert equal(one.outcome.weights, other.outcome.weights)
        assert equal(one.outcome.best_weights, other.outcome.best_weights)
        assert one.outcome.curves == other.outcome.curves
        assert one.outcome.metrics == other.outcome.metrics
        assert one.outcome.best_step == other.outcome.best_step
