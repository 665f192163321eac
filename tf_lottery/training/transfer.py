"""A ticket for another model: with another head, another optimizer, other data."""

from collections.abc import Sequence
from typing import Any

from tf_lottery import bindings
from tf_lottery.core.ticket import Ticket


def transfer(
    ticket: Ticket, model: Any, *, weights: bool, skip: Sequence[str] = ()
) -> Ticket:
    """The ticket for another model: its masks, with or without its weights.

    Layers are matched by name. A prunable layer that the ticket has no mask for,
    such as a new head, stays dense, and a warning names it.

    The new ticket starts at step 0 with a fresh optimizer, that of the model if
    it is compiled. It has no plan: it was not found on this model. `model` is not
    changed; `.apply(model)` and, if it is compiled, `.model()` of the new ticket
    are live copies of it.

    Args:
        ticket: The ticket.
        model: A built Keras model.
        weights: True: the ticket's starting weights, biases and statistics too,
            wherever name and shape agree. False: the model's own, as they are now.
        skip: Weight paths, layer paths or patterns, as in `Plan.layer_rates`: they
            stay the model's own, dense, with no error and no warning.

    Raises:
        TicketError: A mask for which the model has no prunable weight of that name
            and shape, and that `skip` does not name.
        ValueError: A name in `skip` that matches nothing, or a `skip` of all masks; a
            model with pruning wrappers.

    Example:
        ```python
        ticket = transfer(found, model, weights=True, skip=["logits"])
        ticket.apply(model).fit(x, y)
        ```
    """
    return bindings.of(model).transfer(ticket, model, weights=weights, skip=skip)
