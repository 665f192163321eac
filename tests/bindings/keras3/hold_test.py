"""What is done to a masked model, or to a model of a ticket, revives no weight.

`tests/bindings/hold_test.py` says it of the steps of each optimizer.
"""

import warnings

import keras
import numpy as np
import pytest

from tests.bindings.keras3.models import (
    arrays,
    compiled,
    equal,
    tiny,
)
from tests.bindings.keras3.watching import PLAN, Watch, array_of, searched
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


def state_of(optimizer):
    return [array_of(each) for each in hold.variables_in_order(optimizer)]


def loaded_without_a_word(model, path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.load_weights(path)
    return model


@pytest.mark.parametrize("scaled", [False, pytest.param(True, marks=slow)])
def test_saved_weights_of_a_ticket_are_loaded_with_its_optimizer(scaled, tmp_path):
    adam = new.Adam(0.01)
    optimizer = new.LossScaleOptimizer(adam) if scaled else adam
    found = searched(compiled(tiny(), optimizer))[1][2].trained
    model, path = found.model(), tmp_path / "of.weights.h5"
    fit(model)
    model.save_weights(path)
    loaded = loaded_without_a_word(found.model(), path)
    assert equal(loaded.get_weights(), model.get_weights())
    assert equal(state_of(loaded.optimizer), state_of(model.optimizer))
    masks = [
        [array_of(m) for m in hold.masks_of(of).values()] for of in (loaded, model)
    ]
    assert equal(*masks)
    fit(loaded)
    assert kept_zeros(loaded)


def test_what_a_dense_model_saved_revives_no_weight(ticket, tmp_path):
    dense, path = compiled(tiny()), tmp_path / "of.weights.h5"
    fit(dense)
    dense.save_weights(path)
    model = loaded_without_a_word(ticket.model(), path)
    assert int(model.optimizer.iterations) == int(dense.optimizer.iterations) == 6
    masks = hold.masks_of(model)
    assert len(masks) == 2
    for weight, slots in hold.slots_of(model).items():
        for slot in slots if weight in masks else ():
            pruned = ~array_of(masks[weight])
            assert not array_of(slot.variable)[pruned].any()
            assert array_of(slot.variable)[~pruned].any()
    fit(model)
    assert kept_zeros(model)


def test_a_backup_of_a_tickets_model_is_restored(ticket, tmp_path):
    model, (x, y) = ticket.model(), arrays()

    class Stops(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def trained(model, epochs, *more):
        backup = keras.callbacks.BackupAndRestore(tmp_path)
        model.fit(
            x, y, epochs=epochs, shuffle=False, verbose=0, callbacks=[backup, *more]
        )
        return model

    with pytest.raises(KeyboardInterrupt):
        trained(model, 3, Stops())
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        again = trained(ticket.model(), 3)
    whole = trained(ticket.model(), 3)
    assert equal(again.get_weights(), whole.get_weights())
    assert equal(state_of(again.optimizer), state_of(whole.optimizer))
    assert kept_zeros(again)


def test_the_state_of_another_optimizer_is_not_loaded_and_said(ticket, tmp_path):
    other, path = compiled(tiny(), new.SGD(0.1)), tmp_path / "of.weights.h5"
    fit(other)
    other.save_weights(path)
    model = ticket.model()
    before = state_of(model.optimizer)
    with pytest.warns(UserWarning, match="must be of the same optimizer and model"):
        model.load_weights(path)
    assert equal(state_of(model.optimizer), before)


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
