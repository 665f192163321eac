"""The controls of a search: trained after its rounds, to compare its tickets with."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tf_lottery.core import controls
from tf_lottery.core.choices import name_of_control
from tf_lottery.core.errors import PlanMismatchError
from tf_lottery.core.history import Round
from tf_lottery.core.outcome import Weights
from tf_lottery.core.seeds import derive
from tf_lottery.core.ticket import Ticket
from tf_lottery.core.words import warn
from tf_lottery.search.recorded import Recorded
from tf_lottery.training.trainer import Trainer

_DRAWN = {"reinit", "reinit_same_sign", "random_mask"}


def run_controls(recorded: Recorded, rounds: Sequence[Round]) -> Iterator[Round]:
    """Yields the trained controls of a replicate's rounds, as its plan has them.

    They come after the rounds, which therefore do not depend on the controls.
    """
    for control in controls_of(recorded, rounds):
        yield from control


def controls_of(
    recorded: Recorded, rounds: Sequence[Round]
) -> Iterator[Iterator[Round]]:
    """Yields iterators: each trains a control, and yields it if its training ends."""
    plan = recorded.trainer.plan
    for round in rounds:
        for control in plan.controlled(round.number):
            for draw in range(plan.control_replicates):
                yield _trained(recorded, rounds[0], round, control, draw)


def _trained(
    recorded: Recorded,
    dense: Round,
    round: Round,
    control: str | Callable[..., Any],
    draw: int,
) -> Iterator[Round]:
    trainer, name = recorded.trainer, name_of_control(control)
    finished = recorded.finished(round, name, draw)
    if finished and not callable(control):
        yield finished
        return
    seed = derive(trainer.plan.seed, name, round.number, draw)
    state, outcome = dense.ticket.state, dense.outcome
    context = controls.Context(seed, trainer.draw, state, outcome)
    ticket = _applied(control, name, round.ticket, context, trainer.lengths.last)
    if finished:  # the user's code may have changed
        _check_same(ticket, finished.ticket, name)
        yield finished
        return
    try:
        outcome = recorded.train(ticket, control=name, draw=draw)
    except FloatingPointError as error:
        if trainer.workers.count > 1:
            raise  # the other workers have ended
        warn(f"A control is left out: {error}")
        return
    yield dataclasses.replace(
        round, ticket=ticket, outcome=outcome, control=name, draw=draw
    )


def check_controls(trainer: Trainer) -> None:
    """Raises, before any training, if a built-in control cannot change anything."""
    plan = trainer.plan
    rewinds = plan.retrain == "rewind" and trainer.lengths.rewind == 0
    if "rewound" in plan.controls and rewinds:
        raise ValueError(
            "The control 'rewound' changes nothing if tickets are rewound to the "
            "initialisation. Use it with another `retrain` or a later `rewind_to`."
        )
    if not _DRAWN.intersection(c for c in plan.controls if isinstance(c, str)):
        return
    dense = trainer.dense()
    drawn = trainer.draw(derive(plan.seed, "is anything drawn"))
    if all(np.array_equal(drawn[path], dense.state[path]) for path in dense.masks):
        raise ValueError(
            "Controls with fresh weights need a model whose initial weights depend on "
            "the seed. Received: a model that has the same ones for each seed. Does "
            "the function that makes it set a seed itself, or load weights? Are its "
            "initialisers constant?"
        )


def _applied(
    control: str | Callable[..., Any],
    name: str,
    ticket: Ticket,
    context: controls.Context,
    steps: int,
) -> Ticket:
    try:
        changed = controls.get(control)(ticket, context)
    except Exception as error:
        if not callable(control):
            raise
        raise RuntimeError(
            f"The control {name!r} failed on the ticket of round {ticket.round} with "
            f"{type(error).__name__}: {error}."
        ) from error
    if not isinstance(changed, Ticket) or not _is_alike(changed, ticket):
        raise TypeError(
            f"The control {name!r} must return a ticket of the same model, whose state "
            f"has arrays of the same names and shapes. Received: {changed!r}."
        )
    if not isinstance(changed.step, int) or not 0 <= changed.step < steps:
        raise ValueError(
            f"The control {name!r} must return a ticket that starts at a step before "
            f"the last of a training, {steps:,}. Received: step={changed.step!r}."
        )
    same = controls.unchanged(ticket, changed)
    # A control of the user may change biases alone.
    is_other = callable(control) and not _is_equal(changed.weights, ticket.weights)
    if len(same) == len(ticket.masks) and not is_other:
        raise ValueError(
            f"The control {name!r} changes nothing: every surviving weight is as in "
            "the ticket. An initialiser that is constant gives no other weights."
        )
    if same:
        warn(
            f"The control {name!r} of round {ticket.round} does not change "
            f"{', '.join(map(repr, same))}."
        )
    kept = {name: getattr(ticket, name) for name in ("round", "plan", "architecture")}
    if ticket.state.keys() - changed.state.keys():  # or an earlier training gives them
        kept["state"] = {**ticket.state, **changed.state}
    return dataclasses.replace(changed, **kept)


def _check_same(made: Ticket, trained: Ticket, name: str) -> None:
    """Raises if a control makes another ticket than the one that was trained."""
    same = made.masks == trained.masks and made.step == trained.step
    if not same or not _is_equal(made.weights, trained.state):
        raise PlanMismatchError(
            f"The control {name!r} of round {made.round} makes another ticket now "
            "than the one that was trained in the run directory: its code has changed, "
            "or it does not give equal tickets for an equal `context.seed`. Give the "
            "changed control another name, pass `overwrite=True` (`--overwrite`) to "
            "start again, or pass another `run_dir`."
        )


def _is_equal(weights: Weights, others: Weights) -> bool:
    return all(np.array_equal(weights[name], others[name]) for name in others)


def _is_alike(changed: Ticket, ticket: Ticket) -> bool:
    """Whether masks and weights have the ticket's names and shapes."""
    state, like = changed.state, ticket.state
    return changed.masks.shapes == ticket.masks.shapes and all(
        isinstance(state.get(name), np.ndarray)
        and state[name].shape == like[name].shape
        for name in like
        if ":" not in name
    )
