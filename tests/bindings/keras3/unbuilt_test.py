"""Models whose layers have no weights yet, and layers that never get any."""

import keras
import numpy as np
import pytest

import tf_lottery
from tests.bindings.keras3.models import CLASSES, arrays, compiled, equal
from tf_lottery.bindings.keras3.models import is_built

layers = keras.layers
KNOWN = keras.saving.register_keras_serializable("tests")


@KNOWN
class Plain(keras.Model):
    """A subclassed model that is unbuilt until it is called."""

    def __init__(self, width=32, **more):
        super().__init__(**more)
        self.width = width
        self.hidden = layers.Dense(width, activation="relu", name="hidden")
        self.logits = layers.Dense(CLASSES, name="logits")

    def call(self, inputs):
        return self.logits(self.hidden(inputs))

    def get_config(self):
        return {"width": self.width, "name": self.name}


@KNOWN
class WithSpare(Plain):
    """Has a layer that its `call` never uses."""

    def __init__(self, **more):
        super().__init__(**more)
        self.spare = layers.Dense(5, name="spare")


def search(model, **more):
    more = {"rounds": 1, "epochs": 1, "validation_data": arrays(32, seed=1), **more}
    return tf_lottery.find_ticket(model, arrays(), verbose=0, **more)


@pytest.mark.filterwarnings("ignore:`build\\(\\)` was called")
@pytest.mark.filterwarnings("ignore:Layer .* looks like it has unbuilt state")
@pytest.mark.parametrize("is_called", [False, True])
def test_a_layer_that_is_never_used_needs_no_weights(is_called, tmp_path):
    keras.utils.set_random_seed(0)
    model = compiled(WithSpare())
    if is_called:
        model(arrays()[0])
    ticket = search(model)
    model(arrays()[0])
    for found in (ticket.model(), ticket.apply(model), tf_lottery.export.strip(ticket)):
        assert not found.spare.built
        kernel = keras.ops.convert_to_numpy(found.hidden.kernel)
        assert np.array_equal(kernel != 0, ticket.masks["hidden/kernel"])
    moved = tf_lottery.transfer(ticket, model, weights=True)
    assert moved.masks.density == ticket.masks.density
    ticket.export(tmp_path / "ticket.keras", verbose=0)
    assert (tmp_path / "ticket.keras").is_file()


def test_a_trained_model_with_such_a_layer_keeps_its_optimizer():
    keras.utils.set_random_seed(0)
    model = compiled(WithSpare())
    model.fit(*arrays(), batch_size=16, verbose=0)
    with pytest.warns(UserWarning, match="trained already, for 6 steps"):
        ticket = search(model)
    assert ticket.state["optimizer:iteration"] == 6


def test_what_no_call_was_made_of_is_refused():
    model = compiled(Plain())
    ticket = search(model)
    for unbuilt in (Plain(), model):
        with pytest.raises(ValueError, match="which has no weights yet"):
            ticket.apply(unbuilt)
    model.built = True  # as `model.build(shape)` leaves it
    assert not is_built(model)


@pytest.mark.parametrize("given", [lambda model: model, lambda model: lambda: model])
def test_the_gradient_of_an_unbuilt_model_is_that_of_the_built_one(given):
    keras.utils.set_random_seed(0)
    model = compiled(Plain())
    criterion = tf_lottery.gradient(given(model), arrays(32))
    ticket = search(model, criterion=criterion)
    model(arrays()[0])
    of_built = tf_lottery.gradient(model, arrays(32))
    scores = [score(ticket, ticket.outcome) for score in (criterion, of_built)]
    assert equal(*scores)
    assert scores[0]["hidden/kernel"].any()


def test_a_run_directory_of_another_width_says_which(tmp_path):
    keras.utils.set_random_seed(0)
    search(compiled(Plain(32, name="plain")), run_dir=tmp_path)
    with pytest.raises(tf_lottery.PlanMismatchError, match=r"width: 32 -> 16 "):
        search(compiled(Plain(16, name="plain")), run_dir=tmp_path)


def test_a_run_directory_of_an_unbuilt_model_says_that_the_other_is_built(tmp_path):
    keras.utils.set_random_seed(0)
    model = compiled(Plain(name="plain"))
    search(model, run_dir=tmp_path)
    search(model, run_dir=tmp_path)
    model(arrays()[0])
    with pytest.raises(tf_lottery.PlanMismatchError, match="input_shape: "):
        search(model, run_dir=tmp_path)
