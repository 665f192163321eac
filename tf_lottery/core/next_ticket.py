"""From a trained ticket to the next, sparser one: prune, then rewind."""

from collections import ChainMap
from typing import Any

from numpy.typing import NDArray

from tf_lottery.core import criteria
from tf_lottery.core.callables import name_of
from tf_lottery.core.errors import InvariantError
from tf_lottery.core.kept import kept
from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import Outcome, State
from tf_lottery.core.plan import Plan
from tf_lottery.core.plan_survivors import miscount
from tf_lottery.core.prune import Scores, prune
from tf_lottery.core.ticket import Ticket
from tf_lottery.core.words import telling_line


def prune_ticket(ticket: Ticket, outcome: Outcome, plan: Plan) -> Ticket:
    """The ticket of the next round: fewer weights, rewound as the plan says.

    The masks are decided from the trained weights, never from the rewound ones.

    Raises:
        ValueError: The scores cannot be ranked.
        RuntimeError: The user's criterion failed.
        InvariantError: The masks are not nested, or not of the planned size.
    """
    masks = _pruned(ticket, outcome, plan)
    number = ticket.round + 1
    check_masks(masks, ticket.masks, number, plan)
    step, state = starting_point(ticket, outcome, plan)
    return Ticket(masks, state, step, number, plan, ticket.architecture)


def _pruned(ticket: Ticket, outcome: Outcome, plan: Plan) -> Masks:
    criterion = criteria.get(plan.criterion)
    if isinstance(plan.criterion, str):
        return _masks(ticket, criterion(ticket, outcome), plan)
    where = f"after round {ticket.round}, at step {outcome.last_step:,}"
    try:
        scores = criterion(ticket, outcome)
    except Exception as error:
        raise RuntimeError(
            f"The criterion {name_of(criterion)!r} failed {where}, with "
            f"{telling_line(error)}.{kept()}"
        ) from error
    try:
        return _masks(ticket, scores, plan)
    except Exception as error:
        raise ValueError(
            f"The criterion {name_of(criterion)!r} must return scores that can be "
            f"ranked. Received {where}: {telling_line(error)}.{kept()}"
        ) from error


def _masks(ticket: Ticket, scores: Scores, plan: Plan) -> Masks:
    rates = plan.rates(ticket.masks)
    return prune(
        ticket.masks, scores, rates, scope=plan.scope, block_size=plan.block_size
    )


def starting_point(ticket: Ticket, outcome: Outcome, plan: Plan) -> tuple[int, State]:
    """The step and the state that the next ticket starts from.

    The outcome has them after round 0 of a search with a late rewind, and after
    every round of fine-tuning. Otherwise the next ticket starts where this one did.
    """
    if plan.retrain == "lr_rewind":
        state = ticket.state
        # Not on top of the last round's, which would keep its weights in memory.
        first = state.maps[-1] if isinstance(state, _Trained) else state
        return 0, _Trained(outcome.weights, first)  # type: ignore[arg-type]
    return outcome.next_start or (ticket.step, ticket.state)


class _Trained(ChainMap[str, NDArray[Any]]):
    """The weights at the end of a training, over the state of the first ticket."""


def check_masks(masks: Masks, before: Masks, round: int, plan: Plan) -> None:
    """Raises unless the masks are nested and exactly of the planned size."""
    if not masks.issubset(before):
        raise InvariantError(f"A removed weight came back in round {round}.")
    if error := miscount(plan, round, masks):
        raise InvariantError(error)


def exhausted(before: Masks, after: Masks) -> str:
    """Why these masks end the search, for a sentence; empty if it can continue."""
    left = after.kept_by_layer()
    empty = [path for path, kept in left.items() if kept == 0]
    if empty:
        return f"leave no weight in {', '.join(map(repr, empty))}"
    if after.kept == before.kept:
        layers = ", ".join(f"{path!r} ({kept} left)" for path, kept in left.items())
        return f"remove no weight of {layers}"
    return ""
