"""The controls of a search: trained beside its tickets, after its rounds."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tf_lottery.core import controls
from tf_lottery.core.plan import Plan
from tf_lottery.core.records import Round
from tf_lottery.core.seeds import derive
from tf_lottery.core.ticket import Ticket
from tf_lottery.core.warn import warn
from tf_lottery.search.recorded import Recorded


def run_controls(
    trainer: Recorded, rounds: Sequence[Round], plan: Plan
) -> Iterator[Round]:
    """Yields the trained controls of a replicate's rounds, as its plan has them.

    They come after the rounds, so these do not depend on which controls there are.

    Raises:
        TypeError: A control that returns no ticket of the model.
        ValueError: A control that changes nothing.
    """
    for round in rounds:
        for control in plan.controlled(round.number):
            name = controls.name_of_control(control)
            for draw in range(plan.control_replicates):
                if finished := trainer.finished(round, name, draw):
                    yield finished
                    continue
                seed = derive(plan.seed, name, round.number, draw)
                context = controls.Context(
                    seed, trainer.draw, rounds[0].ticket.state, rounds[0].outcome
                )
                ticket = _applied(control, name, round.ticket, context)
                outcome = trainer.train(ticket, control=name, draw=draw)
                yield dataclasses.replace(
                    round, ticket=ticket, outcome=outcome, control=name, draw=draw
                )


def _applied(
    control: str | Callable[..., Any],
    name: str,
    ticket: Ticket,
    context: controls.Context,
) -> Ticket:
    changed = controls.get(control)(ticket, context)
    if not isinstance(changed, Ticket) or not _is_alike(changed, ticket):
        raise TypeError(
            f"The control {name!r} must return a ticket of the same model. "
            f"Received: {changed!r}."
        )
    same = controls.unchanged(ticket, changed)
    if len(same) == len(ticket.masks):
        raise ValueError(
            f"The control {name!r} changes nothing: every surviving weight is as in "
            "the ticket. An initialiser that is constant draws no other weights."
        )
    if same:
        warn(
            f"The control {name!r} of round {ticket.round} leaves "
            f"{', '.join(map(repr, same))} as they are."
        )
    kept = {name: getattr(ticket, name) for name in ("round", "plan", "architecture")}
    return dataclasses.replace(changed, **kept)


def _is_alike(changed: Ticket, ticket: Ticket) -> bool:
    """Whether masks, and the weights that they are of, have the ticket's shapes."""
    shapes = ticket.masks.shapes
    return changed.masks.shapes == shapes and all(
        path in changed.state and np.shape(changed.state[path]) == shapes[path]
        for path in shapes
    )
