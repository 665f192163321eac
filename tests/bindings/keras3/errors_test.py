"""Errors of a training are said once, whatever the backend raises for its own."""

import keras
import pytest

import tf_lottery
from tests.bindings.keras3.models import BACKEND, arrays, compiled, tiny

of_torch = pytest.mark.skipif(BACKEND != "torch", reason="its errors have no class")


def search(model=None, **more):
    more = {"rounds": 1, "epochs": 2, "validation_data": arrays(32, seed=1), **more}
    model = model or compiled(tiny())
    return tf_lottery.find_ticket(model, arrays(), verbose=0, **more)


def raised(*args, **more):
    with pytest.raises(RuntimeError) as error:
        search(*args, **more)
    text = str(error.value)
    assert "\n" not in text
    return error.value, text


def test_a_training_that_stops_early_is_said_once():
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=100.0)
    _, text = raised(callbacks=[stop], epochs=4)
    assert text.startswith("A callback stopped the training of round 0 at step 6 of ")
    assert "Look at the data" not in text


class Raises(keras.callbacks.Callback):
    """Raises in one method."""

    def __init__(self, method):
        super().__init__()
        self.error = RuntimeError("mine")
        setattr(self, method, self.fail)

    def fail(self, *args, **kwargs):
        raise self.error


@pytest.mark.parametrize(
    "method", ["on_epoch_begin", "on_train_batch_end", "on_test_begin", "on_test_end"]
)
def test_the_error_of_a_callback_is_raised_as_it_is(method):
    callback = Raises(method)
    assert raised(callbacks=[callback])[0] is callback.error


def test_the_error_of_a_callback_between_test_batches_is_raised_as_it_is():
    class Between(keras.callbacks.Callback):
        def on_test_batch_end(self, batch, logs=None):
            raise error

    error = RuntimeError("mine")
    assert raised(callbacks=[Between()])[0] is error


@of_torch
def test_a_step_of_another_optimizer_is_named_as_the_cause():
    import torch

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = tiny()

        def call(self, inputs):
            return self.inner(inputs)

        def train_step(self, data):
            x, y = data
            loss = self.compute_loss(x, y, self(x, training=True))
            own = torch.optim.SGD(self.parameters(), lr=0.1)
            own.zero_grad()
            loss.backward()
            own.step()
            return {"loss": loss}

    _, text = raised(compiled(Own()))
    assert text.startswith("Pruned weights of ")
    assert "Take steps by `self.optimizer`" in text
    assert text.count("round 1") == 1


@of_torch
def test_what_fails_in_a_step_says_its_step():
    class Fails(keras.Sequential):
        def train_step(self, data):
            raise RuntimeError("out of memory")

    _, text = raised(compiled(Fails(tiny().layers)))
    assert "round 0 failed in step 1 with RuntimeError: out of memory" in text
