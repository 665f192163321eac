"""Whether the file of a search's ticket is enough to make a model of it."""

import functools

from tf_lottery.bindings.tf_keras.models import called
from tf_lottery.bindings.tf_keras.rebuilding.rebuild import rebuild
from tf_lottery.core.errors import TicketError
from tf_lottery.core.ticket import Ticket


def lacks(ticket: Ticket, seed: int) -> str:
    """Why no model can be made of a ticket's file alone; empty if one can.

    Args:
        ticket: One of the search.
        seed: What the model draws its first weights from.
    """
    try:
        called(functools.partial(rebuild, ticket), seed, None)
    except TicketError as error:
        return str(error)
    return ""
