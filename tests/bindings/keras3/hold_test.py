"""What is done to a masked model, or to a model of a ticket, revives no weight.

`tests/bindings/hold_test.py` says it of the steps of each optimizer.
"""

import keras
import numpy as np
import pytest

from tests.bindings.keras3.models import (
    arrays,
    compiled,
    equal,
    tiny,
)
from tests.bindings.keras3.watching import PLAN, Watch, searched
from tf_lottery.bindings.keras3 import hold

slow = pytest.mark.slow
new = keras.optimizers
decaying = new.schedules.CosineDecay

WARNED = "Pruned weights are not invisible"


def of_roots(weights):
    """A penalty whose gradient is NaN where a weight is zero."""
    return 1e-3 * keras.ops.sum(keras.ops.sqrt(keras.ops.abs(weights)))


def test_a_gradient_of_a_pruned_weight_may_be_nan():
    model, watch = tiny(), Watch()
    model.layers[0].kernel_regularizer = of_roots
    _, rounds = searched(compiled(model), callbacks=[watch])
    assert watch.leaks == 0
    weights = rounds[2].outcome.weights.values()
    assert all(np.isfinite(weight).all() for weight in weights)


@pytest.mark.parametrize("name", ["Muon", pytest.param("Adafactor", marks=slow)])
def test_an_optimizer_that_sees_pruned_weights_warns_once(name):
    with pytest.warns(UserWarning, match=f"{WARNED} to {name}") as seen:
        searched(compiled(tiny(), getattr(new, name)(0.01)))
    assert len([each for each in seen if WARNED in str(each.message)]) == 1


def kept_zeros(model):
    """Whether a masked model has pruned weights, and all of them are zero."""
    watch = Watch()
    watch.set_model(model)
    watch.on_train_batch_end(0)
    masks = hold.masks_of(model).values()
    some = any((~keras.ops.convert_to_numpy(mask.value)).any() for mask in masks)
    return some and not watch.leaks


@pytest.fixture(scope="module")
def ticket():
    """The ticket of a search."""
    return searched(compiled(tiny()))[1][2].trained


def fit(model):
    model.fit(*arrays(), batch_size=16, verbose=0)


def test_a_second_compile_keeps_the_masks(ticket):
    model = ticket.model()
    for optimizer in (new.SGD(0.1, momentum=0.9), new.Adam(0.01)):
        compiled(model, optimizer)
        fit(model)
        assert kept_zeros(model)


def test_single_batches_revive_no_weight(ticket):
    model, (x, y) = ticket.model(), arrays(16)
    before = model.get_weights()[0]
    first = model.train_on_batch(x, y)[0]
    for _ in range(5):
        last = model.train_on_batch(x, y)[0]
    assert kept_zeros(model)
    assert last < first
    assert (model.get_weights()[0] != before).any()


def test_a_ticket_that_is_applied_to_a_model_holds_when_it_is_compiled_later(ticket):
    model = ticket.apply(tiny())
    assert kept_zeros(model)
    fit(compiled(model))
    assert kept_zeros(model)


def test_what_is_assigned_to_a_masked_model_revives_no_weight(ticket):
    model = ticket.model()
    model.set_weights([np.ones_like(value) for value in model.get_weights()])
    assert kept_zeros(model)
    model.layers[0].kernel.assign(np.ones(model.layers[0].kernel.shape))
    assert kept_zeros(model)
    fit(model)
    assert kept_zeros(model)


class Reviving(keras.callbacks.Callback):
    """Assigns ones to all weights, in each way."""

    def on_train_batch_end(self, batch, logs=None):
        model = self.model
        model.set_weights([np.ones_like(value) for value in model.get_weights()])
        kernel = model.layers[-1].kernel
        kernel.assign(kernel + 1.0)
        kernel.assign_add(np.ones(kernel.shape, "float32"))
        kernel.assign_sub(np.ones(kernel.shape, "float32") / 2)


def test_a_callback_that_assigns_revives_no_weight():
    watch = Watch()
    searched(compiled(tiny()), callbacks=[Reviving(), watch])
    assert watch.looks
    assert watch.leaks == 0


@pytest.mark.parametrize("scaled", [False, pytest.param(True, marks=slow)])
def test_a_model_of_a_ticket_is_saved_as_one_of_keras(scaled, tmp_path):
    adam = new.Adam(0.01)
    optimizer = new.LossScaleOptimizer(adam) if scaled else adam
    _, rounds = searched(compiled(tiny(), optimizer))
    model = rounds[2].trained.model()
    fit(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert equal(loaded.get_weights(), model.get_weights())
    mine = hold.variables_in_order(model.optimizer)
    theirs = loaded.optimizer.variables
    assert [v.shape for v in theirs] == [v.shape for v in mine]
    pairs = zip(mine, theirs, strict=True)
    assert all(equal([a.numpy()], [b.numpy()]) for a, b in pairs)
    fit(loaded)  # without masks, as any model


def test_a_tickets_model_begins_with_the_optimizers_state():
    _, rounds = searched(compiled(tiny()))
    ticket = rounds[2].ticket
    model = ticket.model()
    named = hold.variables(model.optimizer)
    for name, variable in named.items():
        value = ticket.state[f"optimizer:{name}"]
        path = name.rpartition("/")[0]
        if path in ticket.masks:
            value = np.where(ticket.masks[path], value, 0)
        assert equal([keras.ops.convert_to_numpy(variable.value)], [value])
    assert PLAN.rewind_to == 3
