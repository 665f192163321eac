"""A pruned weight is exactly zero after every step, and no parameter.

Searches rewind to a step k > 0, where slots are full: neutral ones would hide that
momentum revives pruned weights.
"""

import keras
import numpy as np
import pytest

from tests.bindings.keras3.models import (
    CLASSES,
    FEATURES,
    arrays,
    compiled,
    equal,
    layers,
    tiny,
)
from tests.bindings.keras3.watching import PLAN, Watch, searched
from tf_lottery import Plan, Ticket, Trainer
from tf_lottery.bindings.keras3 import hold
from tf_lottery.core.masks import Masks

slow = pytest.mark.slow
new = keras.optimizers
decaying = new.schedules.CosineDecay

OPTIMIZERS = {
    "SGD": lambda: new.SGD(0.1),
    "nesterov": lambda: new.SGD(0.1, momentum=0.9, nesterov=True, clipnorm=0.1),
    "decay": lambda: new.SGD(0.1, momentum=0.9, weight_decay=1e-2, clipvalue=0.1),
    "schedule": lambda: new.SGD(decaying(0.1, 20), momentum=0.9),
    "Adam": lambda: new.Adam(0.01),
    "amsgrad": lambda: new.Adam(0.01, amsgrad=True),
    "EMA": lambda: new.Adam(0.01, use_ema=True),
    "EMA every 2": lambda: new.Adam(0.01, use_ema=True, ema_overwrite_frequency=2),
    "accumulation": lambda: new.Adam(0.01, gradient_accumulation_steps=2),
    "AdamW": lambda: new.AdamW(0.01, weight_decay=0.1, global_clipnorm=0.1),
    "RMSprop": lambda: new.RMSprop(0.01, momentum=0.9, centered=True),
    "Adagrad": lambda: new.Adagrad(0.1),
    "Adadelta": lambda: new.Adadelta(1.0),
    "Adamax": lambda: new.Adamax(0.01),
    "Nadam": lambda: new.Nadam(0.01),
    "Ftrl": lambda: new.Ftrl(
        0.1, l1_regularization_strength=1e-5, l2_shrinkage_regularization_strength=0.01
    ),
    "Lion": lambda: new.Lion(0.001),
    "Lamb": lambda: new.Lamb(0.01, weight_decay=0.01),
    "Adafactor": lambda: new.Adafactor(0.01),
    "Muon": lambda: new.Muon(0.01, weight_decay=0.01),
    "loss scaling": lambda: new.LossScaleOptimizer(new.Adam(0.01)),
}
IN_BRIEF = {"decay", "EMA every 2", "Muon", "loss scaling"}
NAMES = [n if n in IN_BRIEF else pytest.param(n, marks=slow) for n in OPTIMIZERS]
WARNED = "Pruned weights are not invisible"


@pytest.mark.filterwarnings(f"ignore:{WARNED}")
@pytest.mark.parametrize("name", NAMES)
def test_pruned_weights_are_zero_after_every_step_and_their_slots_neutral(name):
    watch = Watch()
    trainer, rounds = searched(compiled(tiny(), OPTIMIZERS[name]()), callbacks=[watch])
    assert watch.looks == 7 + 2 * 4
    assert watch.leaks == 0
    assert watch.dead == 0
    if name not in ("Adafactor", "Muon"):
        assert watch.stained == 0
    again = trainer.train(rounds[2].ticket)
    assert equal(again.weights, rounds[2].outcome.weights)


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
        searched(compiled(tiny(), OPTIMIZERS[name]()))
    assert len([each for each in seen if WARNED in str(each.message)]) == 1


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: new.SGD(0.3, momentum=0.9, weight_decay=0.01, global_clipnorm=0.05),
        pytest.param(
            lambda: new.AdamW(0.01, weight_decay=0.1, clipnorm=0.05), marks=slow
        ),
        pytest.param(
            lambda: new.Lamb(0.01, weight_decay=0.1, global_clipnorm=0.05), marks=slow
        ),
        pytest.param(
            lambda: new.Adam(0.01, use_ema=True, gradient_accumulation_steps=2),
            marks=slow,
        ),
    ],
    ids=["SGD decay global_clipnorm", "AdamW clipnorm", "Lamb", "Adam accumulated"],
)
def test_a_pruned_weight_is_no_parameter(optimizer):
    """Training equals that of the model that lacks the pruned inputs."""
    live = np.array([0, 2, 3, 6])
    large = keras.Sequential([keras.Input((FEATURES,)), layers.Dense(CLASSES)])
    small = keras.Sequential([keras.Input((4,)), layers.Dense(CLASSES)])
    small.set_weights([large.get_weights()[0][live], large.get_weights()[1]])
    plan, (x, y) = Plan(rounds=1, steps=40, batch_size=16), arrays()
    trainers = [
        Trainer(compiled(large, optimizer()), (x, y), plan),
        Trainer(compiled(small, optimizer()), (x[:, live], y), plan),
    ]
    dense, narrow = (trainer.dense() for trainer in trainers)
    (path,), (own,) = dense.masks, narrow.masks
    mask = np.zeros(dense.masks[path].shape, bool)
    mask[live] = True
    ticket = Ticket(Masks({path: mask}), dense.state, plan=plan)
    pruned = trainers[0].train(ticket).weights[path]
    expected = trainers[1].train(narrow).weights[own]
    assert not pruned[~mask].any()
    np.testing.assert_allclose(pruned[live], expected, atol=1e-6)


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


@pytest.mark.parametrize("name", ["Adam", pytest.param("loss scaling", marks=slow)])
def test_a_model_of_a_ticket_is_saved_as_one_of_keras(name, tmp_path):
    _, rounds = searched(compiled(tiny(), OPTIMIZERS[name]()))
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
