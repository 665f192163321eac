"""Checks of a ticket, which raise a `TicketError` that says what does not hold."""

from tf_lottery.core.arrays import distinct
from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import Weights
from tf_lottery.core.spoiled import is_finite


def check_masks(what: object, masks: Masks) -> None:
    """Raises unless there are masks and none of them is empty."""
    empty = [path for path, shape in masks.shapes.items() if 0 in shape]
    if empty or not masks:
        found = f"an empty one for {empty[0]!r}" if empty else "none"
        raise TicketError(
            f"{what} must have a mask for each weight that is pruned. Received: "
            f"{found}. Use a ticket that a search returned."
        )


def check_weights(kind: str, weights: Weights, masks: Masks) -> None:
    """Raises unless weights have the shapes of their masks and are finite."""
    for path, mask in masks.items():
        if path not in weights or weights[path].shape != mask.shape:
            raise TicketError(
                f"The ticket has a mask for {path!r}, but its {kind} have no array of "
                f"that path and shape, {mask.shape}."
            )
    for path in weights:
        if not is_finite(distinct(weights[path])):
            raise TicketError(f"The {kind} of {path!r} are not finite.")
