"""The model that takes the weights of a ticket: rebuilt, given, or remembered.

It is made from the ticket's configuration. Where Keras cannot do that, it is the model
that the user gives, or the one that the ticket of a search remembers.
"""

import copy
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tf_lottery.bindings.shared.foreign import check_modules, foreign_in_words, in_short
from tf_lottery.bindings.shared.live import fits
from tf_lottery.core.errors import TicketError
from tf_lottery.core.ticket import FoundTicket, Ticket

_WITH_MODEL = (
    "`ticket.apply(model)` in place of `ticket.model()`, and "
    "`ticket.export(path, model=model)`"
)


@dataclass(frozen=True)
class Rebuilding:
    """How a binding makes models of tickets, and checks those that are given.

    Attributes:
        keras: The Keras of the binding.
        called: See `Binding.called`.
        made: Makes a model from a configuration, which it may change, the objects that
            are known by name, and whether it is safe.
        named_weights: The weights of a model by path.
        is_built: Whether a model has all its weights.
        masks_of: What a model of `ticket.model()` has, and no other.
        check: Raises unless a plain model can take a ticket.
        lost: What else a model lacks that was made of a ticket.
        kind: What models of this Keras are called.
        masks: What `masks_of` are called.
        how_built: What to do with a model without weights.
        why_other: Why a model may not be made as it was.
    """

    keras: Any
    called: Callable[[Any, int, None], Any]
    made: Callable[[dict[str, Any], dict[str, Any], bool], Any]
    named_weights: Callable[[Any], Mapping[str, Any]]
    is_built: Callable[[Any], bool]
    masks_of: Callable[[Any], Any]
    kind: str
    masks: str
    how_built: str
    why_other: str = ""
    check: Callable[[Ticket, Any], None] = lambda ticket, model: None
    lost: Callable[[Ticket, Any], str] = lambda ticket, model: ""

    def basis(
        self,
        ticket: Ticket,
        model: Any = None,
        *,
        custom_objects: Mapping[str, Any] | None = None,
        safe_mode: bool = True,
    ) -> Any:
        """See `Binding.basis`."""
        if model is None:
            try:
                return self.rebuild(
                    ticket, custom_objects=custom_objects, safe_mode=safe_mode
                )
            except TicketError:
                if not isinstance(ticket, FoundTicket) or ticket.origin is None:
                    raise
            is_model = isinstance(ticket.origin, self.keras.Model)
            model = ticket.origin if is_model else ticket.origin()
        self.check_model(ticket, model)
        if other := self._other_weight(ticket, model):
            raise TicketError(
                f"This ticket was found on another model: they differ in {other!r}. "
                "Pass a model with the same layers, of the same names and sizes."
            )
        return model

    def rebuild(
        self,
        ticket: Ticket,
        *,
        custom_objects: Mapping[str, Any] | None = None,
        safe_mode: bool = True,
    ) -> Any:
        """The model of a ticket's search by its configuration, freshly initialised."""
        if ticket.architecture is None:
            raise TicketError(
                "A ticket must hold its architecture to become a model. Received: "
                "none, as Keras could not describe a part of the model or of how it is "
                f"compiled. With the model itself, use {_WITH_MODEL}."
            )
        given = dict(custom_objects or {})
        registered = functools.partial(
            self.keras.saving.get_registered_object, custom_objects=given
        )
        if safe_mode:
            check_modules(ticket.architecture, registered)
        # Some layers take keys out of what they are made from.
        config = copy.deepcopy(dict(ticket.architecture))
        try:
            made = self.made(config, given, safe_mode)
        except Exception as error:  # layers raise whatever they like
            own = foreign_in_words(ticket.architecture, registered)
            why = f"it does not know {own}." if own else in_short(error)
            raise TicketError(
                "Keras must be able to make the model from its configuration, and "
                f"cannot: {why} Pass classes and functions of your own as "
                '`custom_objects={"Name": Name}`, and `safe_mode=False` for Lambda '
                "layers of a file that you trust (on the command line, a recipe with "
                "them as `--recipe`). Or, with the model itself, use "
                f"{_WITH_MODEL}."
            ) from error
        if other := self._other_weight(ticket, made) or self.lost(ticket, made):
            raise TicketError(
                "The model cannot be made from its configuration as it was: it differs "
                f"in {other!r}. {self.why_other}With the model itself, use "
                f"{_WITH_MODEL}."
            )
        return made

    def lacks(self, ticket: Ticket, seed: int) -> str:
        """See `Binding.lacks`."""
        try:
            self.called(functools.partial(self.rebuild, ticket), seed, None)
        except TicketError as error:
            return str(error)
        return ""

    def check_model(self, ticket: Ticket, model: Any) -> None:
        """Raises unless it is a plain, built model that can take the ticket."""
        if not isinstance(model, self.keras.Model):
            call = " Call it, and pass what it returns." if callable(model) else ""
            raise TypeError(
                f"A ticket must be applied to a {self.kind} model. Received: "
                f"{type(model).__name__}.{call}"
            )
        # What it lacks beside these is of layers that no call uses.
        has_all = ticket.weights.keys() <= self.named_weights(model).keys()
        if not has_all and not self.is_built(model):
            raise ValueError(
                "A ticket must be applied to a built model. Received: "
                f"{model.name!r}, which has no weights yet. {self.how_built}"
            )
        if self.masks_of(model):
            raise TicketError(
                f"A ticket must be applied to a model without {self.masks}. Received: "
                f"{model.name!r}, which has them, as a model of `ticket.model()` has. "
                "Pass the model that was searched, another build of it, or "
                "`tf_lottery.export.strip(model)`."
            )
        self.check(ticket, model)

    def _other_weight(self, ticket: Ticket, model: Any) -> str:
        """The path of a weight that only one has, or of another shape; else empty."""
        mine, theirs = self.named_weights(model), ticket.state
        for path, weight in mine.items():
            # A layer that was adapted has a variable of unknown size.
            if path not in theirs or not fits(theirs[path].shape, weight.shape):
                return path
        return next((path for path in ticket.weights if path not in mine), "")
