"""What is exported: a plain model with its pruned weights at zero, and a dense twin."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_lottery.core.errors import ExportError
from tf_lottery.core.masks import Masks, masked
from tf_lottery.core.outcome import State
from tf_lottery.core.ticket import FoundTicket, Ticket, chosen
from tf_lottery.export._tensorflow import tf
from tf_lottery.export.binding import binding_of, network


@dataclass(frozen=True)
class Source:
    """What an export starts from.

    Attributes:
        model: A plain Keras model: without wrappers, pruned weights exactly zero.
        dense: The same network with all of its weights, to compare sizes and speed.
        dense_is_trained: Whether `dense` has trained weights; if not, random numbers
            stand for its pruned ones.
        masks: The ticket's masks; for a plain model, where its matrices are not zero.
        weights: Which of the ticket's weights, in words.
        round: The ticket's round, or None for a model.
        data: The data of the search, if they are at hand.
    """

    model: Any
    dense: Any
    dense_is_trained: bool
    masks: Masks
    weights: str
    round: int | None = None
    data: Any = None

    @property
    def in_half(self) -> bool:
        """Whether layers of the model compute in float16 or bfloat16."""
        return network(self.model).in_half

    @property
    def takes_sparse(self) -> bool:
        """Whether an input of the model takes sparse tensors."""
        return any(port.is_sparse for port in network(self.model).inputs)

    @property
    def nonzero(self) -> tuple[int, int]:
        """How many weights of matrices are not zero, and how many others there are."""
        weights = binding_of(self.model).weights_of(self.model).values()
        kept = sum(int(np.count_nonzero(w)) for w in weights if w.ndim > 1)
        return kept, sum(w.size for w in weights if w.ndim <= 1)

    def in_float32(self) -> "Source":
        """The same source, with float32 in the place of half precision."""
        plain = binding_of(self.model).plain
        return dataclasses.replace(
            self,
            model=plain(self.model, in_float32=True),
            dense=plain(self.dense, in_float32=True),
        )


def source_of(
    exported: Any,
    weights: str,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
    model: Any = None,
) -> Source:
    """The source of an export, from a ticket or a model.

    Args:
        exported: A ticket, a model of `ticket.model()` (trained further, or not), or
            a plain Keras model, whose zeros are taken as they are.
        weights: "best", "final" or "initial"; a model has only its own.
        custom_objects, safe_mode: See `Ticket.model`.
        model: What the weights of a ticket go into; default: a model that is made
            from the ticket, see `basis`.

    Raises:
        ExportError: A pruned weight is not zero, a weight is not finite, or this is
            called in the scope of a strategy.
        TicketError: The ticket holds no such weights, or does not fit the model.
        TypeError: It is neither a ticket nor a model.
    """
    if tf.distribute.has_strategy():
        raise ExportError(
            "A ticket must be exported outside of the scope of a strategy. "
            f"Received: the scope of {type(tf.distribute.get_strategy()).__name__}."
        )
    if isinstance(exported, Ticket):
        chosen(exported, weights)  # raises before anything is built
        like = binding_of(exported).basis(
            exported, model, custom_objects=custom_objects, safe_mode=safe_mode
        )
        return _of_ticket(exported, weights, like)
    if model is not None:
        raise ValueError(
            "`model` must be left out unless a ticket is exported, whose weights go "
            f"into it. Received: `model`, and a {type(exported).__name__} to export."
        )
    if binding_of(exported).is_model(exported):
        return _of_model(exported)
    raise TypeError(
        "What is exported must be a ticket or a tf_keras model. "
        f"Received: {type(exported).__name__}."
    )


def strip(
    source: Any,
    weights: str = "best",
    *,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
    model: Any = None,
) -> Any:
    """A plain Keras model without anything of tfmot, its pruned weights at zero.

    It fails if a pruned weight is not zero. tfmot's `strip_pruning` leaves weights that
    the wrapper would mask at the next call.

    Args:
        source: A ticket, or a model of `ticket.model()`.
        weights: "best" (minimum validation loss), "final" or "initial".
        custom_objects, safe_mode: See `Ticket.model`.
        model: What the ticket's weights go into, a model like that of its search, if
            Keras cannot make one from the ticket's file.

    Returns:
        An uncompiled model.

    Raises:
        ExportError: A pruned weight is not zero.

    Example:
        ```python
        model = tf_lottery.export.strip(ticket)
        model.save("ticket.keras")
        ```
    """
    return source_of(source, weights, custom_objects, safe_mode, model).model


def _of_ticket(ticket: Ticket, weights: str, like: Any) -> Source:
    """The source with a ticket's weights, in copies of the model `like`."""
    plain = binding_of(ticket).plain
    values = chosen(ticket, weights)
    _check(values, ticket.masks)
    model = plain(like, values)
    found = ticket if isinstance(ticket, FoundTicket) else None
    history = found.history if found else None
    trained = history is not None and weights != "initial"
    if history is not None and trained:
        dense = plain(like, chosen(history[0].trained, weights))
    else:
        dense = _filled(model, ticket.masks)
    return Source(
        model=model,
        dense=dense,
        dense_is_trained=trained,
        masks=ticket.masks,
        weights=_in_words(ticket, weights),
        round=ticket.round,
        data=found.data if found else None,
    )


def _in_words(ticket: Ticket, weights: str) -> str:
    if weights == "best":
        assert isinstance(ticket, FoundTicket)  # it was asked for these weights
        validated = any(name.startswith("val_") for name in ticket.outcome.metrics)
        return f"best, at minimum {'validation' if validated else 'training'} loss"
    return f"{weights}, not trained" if weights == "initial" else weights


def _of_model(model: Any) -> Source:
    binding = binding_of(model)
    if not binding.network(model).is_graph:
        raise ExportError(
            "A model must be a built Sequential or functional one to be exported. "
            f"Received: {model.name!r} ({type(model).__name__}). Give its first layer "
            "an `input_shape`, or make `keras.Model(inputs, outputs)` of it."
        )
    masks = binding.masks_of(model)
    if not masks.size:
        raise ExportError(
            "A model must have a matrix of weights to be exported, or nothing of it "
            f"can be sparse. Received: {model.name!r}, which has none."
        )
    values = binding.weights_of(model)
    _check(values, masks)
    # A weight times a mask may be -0.0, whose bits are not zero.
    kept = {path: masked(values[path], masks.get(path)) for path in values}
    plain = binding.plain(model, kept)
    return Source(plain, _filled(plain, masks), False, masks, "as given")


def _check(values: State, masks: Masks) -> None:
    for path in values:
        if not np.isfinite(np.asarray(values[path], np.float64)).all():
            raise ExportError(
                f"Weights must be finite to be exported. {path!r} holds NaN or an "
                "infinity: train with a lower learning rate, or export another round."
            )
    for path, mask in masks.items():
        revived = int(np.count_nonzero(np.asarray(values[path])[~mask]))
        if revived:
            raise ExportError(
                f"Pruned weights must be exactly zero. {revived:,} of {path!r} are "
                "not, and the file would not be the ticket. Train the model of "
                "`ticket.model()` by `fit`, which keeps them at zero."
            )


def _filled(model: Any, masks: Masks) -> Any:
    """A copy whose pruned weights are random numbers, as large as the others."""
    filled = binding_of(model).weights_of(model)
    draw = np.random.default_rng(0)
    for path, mask in masks.items():
        values = filled[path]
        noise = draw.normal(scale=float(values.std()) or 1.0, size=values.shape)
        filled[path] = np.where(mask, values, noise.astype(values.dtype))
    return binding_of(model).plain(model, filled)
