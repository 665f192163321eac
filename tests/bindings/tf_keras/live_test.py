"""Tickets get in and out of a live model without losing a bit."""

import numpy as np
import pytest

from tests.models import batches, compiled, equal, keras, with_state
from tf_lottery.bindings.tf_keras.live import Live
from tf_lottery.bindings.tf_keras.tfmot.wrap import wrap
from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Masks

new, legacy = keras.optimizers, keras.optimizers.legacy


def trained(optimizer=None):
    model = compiled(wrap(with_state()), optimizer)
    live = Live(model)
    model.fit(batches(), verbose=0)
    return model, live


@pytest.mark.parametrize(
    "optimizer",
    [new.Adam(0.02, amsgrad=True), legacy.Adam(0.02), new.SGD(0.1, momentum=0.9)],
    ids=["Adam", "legacy Adam", "SGD"],
)
def test_what_was_read_is_what_is_assigned(optimizer):
    model, live = trained(optimizer)
    state = live.read()
    model.fit(batches(), verbose=0)
    assert not equal(live.read(), state)
    live.assign(state, Masks.full(live.shapes))
    assert equal(live.read(), state)


@pytest.mark.parametrize("optimizer", [new.Adam(0.02), legacy.Adam(0.02)])
def test_a_state_has_slots_iterations_and_the_learning_rate(optimizer):
    _, live = trained(optimizer)
    names = [n.lower() for n in live.read() if n.startswith("optimizer:")]
    for weight in ("kernel", "bias", "gamma", "beta"):
        weights = 2 if weight in ("kernel", "bias") else 1
        assert sum(weight in n and "beta_" not in n for n in names) == 2 * weights
    assert sum("iter" in name for name in names) == 1
    assert sum("learning_rate" in name for name in names) == 1


def test_a_state_under_loss_scaling_has_the_scale(global_policy):
    inner = new.SGD(0.1)
    optimizer = keras.mixed_precision.LossScaleOptimizer(inner, initial_scale=4.0)
    _, live = trained(optimizer)
    assert 4.0 in [float(v) for v in live.read().values() if np.ndim(v) == 0]


def test_a_copy_is_read_and_no_view():
    model, live = trained()
    state = live.read()
    before = {name: array.copy() for name, array in state.items()}
    model.fit(batches(), verbose=0)
    assert equal(state, before)


def test_removed_weights_become_plus_zero():
    _, live = trained()
    state = live.read()
    masks = Masks(
        {p: np.arange(np.prod(s)).reshape(s) % 2 == 0 for p, s in live.shapes.items()}
    )
    live.assign(state, masks)
    for path, mask in masks.items():
        weight = live.read_weights()[path]
        assert (weight[mask] == state[path][mask]).all()
        assert not weight[~mask].view(np.uint32).any()


def test_a_weight_that_leaks_is_found():
    _, live = trained()
    state = live.read()
    masks = dict(Masks.full(live.shapes))
    masks["logits/kernel"] = np.zeros((6, 3), bool)
    live.assign(state, Masks(masks))
    assert live.faults().leaking == []
    live.weights["logits/kernel"].assign(state["logits/kernel"])
    assert live.faults().leaking == ["logits/kernel"]


@pytest.mark.parametrize(
    "change, named",
    [
        (lambda state, masks: masks.pop("logits/kernel"), "logits/kernel"),
        (lambda state, masks: masks.update(extra=np.ones(3, bool)), "extra"),
        (lambda state, masks: state.update(extra=np.ones(3)), "extra"),
        (lambda state, masks: state.update({"norm/beta": np.ones(3)}), "norm/beta"),
        (
            lambda state, masks: masks.update({"logits/kernel": np.ones((3, 6), bool)}),
            "logits/kernel",
        ),
    ],
    ids=["mask missing", "mask extra", "value extra", "value shape", "mask shape"],
)
def test_a_ticket_of_another_model_is_refused(change, named):
    live = Live(compiled(wrap(with_state())))
    state, masks = dict(live.read()), dict(Masks.full(live.shapes))
    change(state, masks)
    with pytest.raises(TicketError, match=f"another model.*{named}"):
        live.assign(state, Masks(masks))


@pytest.mark.parametrize("missing", ["hidden/bias", "norm/moving_mean"])
def test_a_ticket_that_lacks_a_weight_is_refused(missing):
    live = Live(compiled(wrap(with_state())))
    state = dict(live.read())
    del state[missing]
    with pytest.raises(TicketError, match=missing):
        live.assign(state, Masks.full(live.shapes))
