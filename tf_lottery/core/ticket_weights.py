"""The weights that a ticket has: "initial", "best" and "final"."""

from tf_lottery.core.errors import TicketError
from tf_lottery.core.outcome import Outcome, State
from tf_lottery.core.ticket import FoundTicket, Ticket

WEIGHTS = ("initial", "best", "final")


def chosen(ticket: Ticket, weights: str) -> State:
    """The initial, best or final weights of a ticket, by their name."""
    if weights not in WEIGHTS:
        raise ValueError(
            f"`weights` must be one of {', '.join(map(repr, WEIGHTS))}. "
            f"Received: weights={weights!r}."
        )
    if weights == "initial":
        return ticket.weights
    if not isinstance(ticket, FoundTicket):
        raise TicketError(
            f"This ticket was not trained; it has no {weights!r} weights. That of a "
            "round has them in `round.trained`."
        )
    return outcome_weights(ticket.outcome, weights)


def outcome_weights(outcome: Outcome, weights: str) -> State:
    """The best or the final weights of a training, by their name."""
    return outcome.best_weights if weights == "best" else outcome.weights
