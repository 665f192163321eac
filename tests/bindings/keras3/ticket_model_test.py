"""The live model of a ticket, on the backend of this process."""

import keras
import numpy as np

import tf_lottery
from tf_lottery.bindings.keras3.live import Live
from tf_lottery.core.ticket import Ticket

MISSING = "optimizer:iteration"


def test_what_a_ticket_has_of_an_optimizer_is_restored():
    keras.utils.set_random_seed(0)
    layers = [keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    ticket = tf_lottery.find_ticket(
        model, (x, x[:, :2]), rounds=1, epochs=1, rewind_to=1, validation_split=0.25
    )
    slots = [n for n in ticket.state if n.startswith("optimizer:") and "kernel" in n]
    assert slots and MISSING in ticket.state
    assert any(np.any(ticket.state[name]) for name in slots)
    state = {name: ticket.state[name] for name in ticket.state if name != MISSING}
    some = Ticket(ticket.masks, state, architecture=ticket.architecture)
    restored = Live(some.model()).read()
    masks = {mask.shape: mask for mask in ticket.masks.values()}  # (4, 8) and (8, 2)
    for name in slots:
        kept = masks[ticket.state[name].shape]
        np.testing.assert_array_equal(restored[name], ticket.state[name] * kept)
