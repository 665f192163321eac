"""Tickets of any kind, and controls of them."""

import zlib

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tests.fakes import FakeTrainer
from tf_lottery.core import controls
from tf_lottery.core.controls import Context
from tf_lottery.core.masks import Masks
from tf_lottery.core.next_ticket import prune_ticket
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import Ticket

ALL = list(controls.NAMES)
DRAWN = ["reinit", "reinit_same_sign", "random_mask"]
SAME_MASKS = ["reinit", "reinit_same_sign", "rewound"]
SHUFFLED = ["shuffle", "random_mask"]

seeds = st.integers(0, 2**32 - 1)


@st.composite
def tickets(draw):
    """Tickets of any shapes, also () and (0, n), types and densities, also 0 and 1."""
    masks, state = {}, {}
    for number in range(draw(st.integers(1, 3))):
        shape = draw(npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
        dtype = draw(st.sampled_from([np.float16, np.float32, np.float64]))
        filled = draw(st.sampled_from([None, False, True]))
        some = npst.arrays(bool, shape) if filled is None else st.just(filled)
        path = f"layer{number}/kernel"
        masks[path] = np.broadcast_to(draw(some), shape)
        state[path] = draw(npst.arrays(dtype, shape, elements=_numbers))
        state[f"layer{number}/bias"] = np.ones(3, dtype)
        state[f"optimizer:m/{path}"] = np.full(shape, 0.5, dtype)
    state["optimizer:iterations"] = np.array(7)
    plan = Plan(seed=draw(seeds))
    architecture = {"model": "any"}
    step, round = draw(st.integers(0, 9)), draw(st.integers(0, 9))
    return Ticket(Masks(masks), state, step, round, plan, architecture)


# No zeros, which a shuffled ticket may have to refuse; both signs.
_numbers = st.sampled_from([0.5, -0.5, 1.0, -2.0]) | st.floats(0.125, 8, width=16)


def context_of(ticket, seed=0, **changes):
    """A context whose states are by chance, by the seed and the name."""

    def draw(seed):
        return {
            name: np.asarray(
                np.random.default_rng([seed, zlib.crc32(name.encode())]).normal(
                    size=array.shape
                )
            ).astype(array.dtype)
            for name, array in ticket.state.items()
        }

    return Context(seed, **{"draw": draw, "initial": draw(10**9), **changes})


def applied(name, ticket, seed=0, **changes):
    return controls.get(name)(ticket, context_of(ticket, seed, **changes))


def assert_equal(state, expected, names=None):
    """The same bits."""
    assert set(state) == set(expected)
    for name in names or expected:
        assert state[name].dtype == expected[name].dtype, name
        assert state[name].shape == expected[name].shape, name
        assert state[name].tobytes() == expected[name].tobytes(), name


def pruned(rounds=2, **plan):
    """A ticket of a search, with the state of its initialisation."""
    trainer = FakeTrainer(Plan(**plan))
    ticket = trainer.dense()
    for _ in range(rounds):
        ticket = prune_ticket(ticket, trainer.train(ticket), trainer.plan)
    return ticket
