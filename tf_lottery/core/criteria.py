"""Criteria score the weights of a trained ticket; the lowest scores are pruned.

A criterion is any callable that takes a ticket and its outcome, and returns one array
of scores for each mask.
Reference: Zhou et al., "Deconstructing Lottery Tickets", arXiv 1905.01067.
"""

import zlib
from collections.abc import Callable

import numpy as np

from tf_lottery.core.choices import check_criterion
from tf_lottery.core.outcome import Outcome
from tf_lottery.core.prune import Scores
from tf_lottery.core.ticket import Ticket

Criterion = Callable[[Ticket, Outcome], Scores]


def magnitude(ticket: Ticket, outcome: Outcome) -> Scores:
    """Scores |w| at the end of training: the paper's criterion."""
    return {path: np.abs(outcome.weights[path]) for path in ticket.masks}


def initial_magnitude(ticket: Ticket, outcome: Outcome) -> Scores:
    """Scores |w| where training started. Worse than chance in the paper (F.4)."""
    return {path: np.abs(ticket.state[path]) for path in ticket.masks}


def magnitude_increase(ticket: Ticket, outcome: Outcome) -> Scores:
    """Scores |w at the end| - |w at the start|."""
    start, end = ticket.state, outcome.weights
    return {path: np.abs(end[path]) - np.abs(start[path]) for path in ticket.masks}


def movement(ticket: Ticket, outcome: Outcome) -> Scores:
    """Scores |w at the end - w at the start|."""
    return {p: np.abs(outcome.weights[p] - ticket.state[p]) for p in ticket.masks}


def random(ticket: Ticket, outcome: Outcome) -> Scores:
    """Scores at random, from the plan's seed, the round and the path."""
    seed = ticket.plan.seed if ticket.plan else 0
    return {
        path: np.random.default_rng(
            [seed, ticket.round, zlib.crc32(path.encode())]
        ).random(mask.shape, np.float32)
        for path, mask in ticket.masks.items()
    }


NAMES: dict[str, Criterion] = {
    function.__name__: function
    for function in (magnitude, initial_magnitude, magnitude_increase, movement, random)
}


def get(criterion: str | Criterion) -> Criterion:
    """The criterion of that name; a callable is returned as it is."""
    check_criterion(criterion)
    return NAMES[criterion] if isinstance(criterion, str) else criterion
