"""What is exported: a plain model with its pruned weights at zero, and a dense twin."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tf_lottery.bindings.parts import Compaction
from tf_lottery.core.errors import ExportError
from tf_lottery.core.masks import Masks, masked
from tf_lottery.core.outcome import State
from tf_lottery.core.parameters import count, density
from tf_lottery.core.ticket import FoundTicket, Ticket, chosen
from tf_lottery.export.bound import binding_of, network
from tf_lottery.export.options import Options


@dataclass(frozen=True)
class Source:
    """What an export starts from.

    Attributes:
        model: A plain Keras model: without wrappers, pruned weights exactly zero.
        dense: The same network with all of its weights, to compare sizes and speed.
        dense_is_trained: Whether `dense` has trained weights; if not, random numbers
            stand for its pruned ones.
        masks: The ticket's masks; for a plain model, where its matrices are not zero.
        weights, round: See `Card`.
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
    def takes_sparse(self) -> bool:
        """Whether an input of the model takes sparse tensors."""
        return any(port.is_sparse for port in network(self.model).inputs)

    @functools.cached_property
    def parameters(self) -> int:
        """The number of all parameters, as `count_params` of Keras counts them."""
        return count(binding_of(self.model).weights_of(self.model), self.masks)

    @property
    def model_density(self) -> float:
        """The fraction of all parameters that is not pruned."""
        return density(self.masks, self.parameters)

    def in_float32(self) -> "Source":
        """The same source, with float32 in the place of half precision."""
        plain = functools.partial(binding_of(self.model).plain, in_float32=True)
        return replace(self, model=plain(self.model), dense=plain(self.dense))


def source_of(exported: Any, options: Options) -> Source:
    """The source of a ticket, of a model of `ticket.model()`, or of a plain model.

    Raises:
        ExportError: A pruned weight is not zero, a weight is not finite, or this is
            called in the scope of a strategy.
        TicketError: The ticket holds no such weights, or does not fit the model.
        TypeError: It is neither a ticket nor a model.
    """
    if strategy := binding_of(exported).strategy_in_scope():
        raise ExportError(
            "A ticket must be exported outside of the scope of a strategy. "
            f"Received: the scope of {strategy}."
        )
    if isinstance(exported, Ticket):
        chosen(exported, options.weights)  # raises before anything is built
        like = binding_of(exported).basis(
            exported,
            options.model,
            custom_objects=options.custom_objects,
            safe_mode=options.safe_mode,
        )
        return _of_ticket(exported, options.weights, like)
    if options.model is not None:
        raise ValueError(
            "`model` must be left out unless a ticket is exported, whose weights go "
            f"into it. Received: `model`, and a {type(exported).__name__} to export."
        )
    if binding_of(exported).is_model(exported):
        return _of_model(exported)
    raise TypeError(
        "What is exported must be a ticket or a Keras model. "
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
        weights, custom_objects, safe_mode, model: See `Options`.

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
    options = Options(
        weights, custom_objects=custom_objects, safe_mode=safe_mode, model=model
    )
    return source_of(source, options).model


def compact(model: Any, *, drop_inputs: bool = False) -> Compaction:
    """Removes the units that do nothing, exactly.

    Dead units have no surviving outgoing weight, constant units have no surviving
    incoming weight. It follows Dense, Conv1D to Conv3D, depthwise and separable
    convolutions, BatchNormalization, activations, dropout, pooling, zero padding,
    Flatten, Concatenate, residual Add and the other merging layers, also in nested
    models. All other layers keep their units. A layer without a needed unit keeps one.

    On a CPU, LeNet's outputs were equal bit for bit if only dead units were removed,
    and within 4e-7 of the largest if constants were folded or inputs dropped: the rest
    is then added up in another order.

    Args:
        model: A functional or Sequential model: plain, or of `ticket.model()`.
        drop_inputs: Whether a gather drops features that no weight uses, of the
            model's inputs or of a layer that is not followed.

    Returns:
        The smaller model; `model` is not changed.

    Raises:
        TypeError: `model` is not a functional or Sequential model.

    Example:
        ```python
        compaction = tf_lottery.export.compact(tf_lottery.export.strip(ticket))
        print(compaction.dead)
        ```
    """
    return network(model).compacted(drop_inputs)


def _of_ticket(ticket: Ticket, weights: str, like: Any) -> Source:
    """The source with a ticket's weights, in copies of the model `like`."""
    plain = binding_of(ticket).plain
    values = chosen(ticket, weights)
    _check(values, ticket.masks)
    model = plain(like, values)
    dense, data, in_words = None, None, weights
    if isinstance(ticket, FoundTicket):
        data = ticket.data
        if ticket.history is not None and weights != "initial":
            dense = plain(like, chosen(ticket.history[0].trained, weights))
        if weights == "best":
            validated = any(name.startswith("val_") for name in ticket.outcome.metrics)
            what = "validation" if validated else "training"
            in_words = f"best, at minimum {what} loss"
    return Source(
        model=model,
        dense=filled(model, ticket.masks) if dense is None else dense,
        dense_is_trained=dense is not None,
        masks=ticket.masks,
        weights="initial, not trained" if weights == "initial" else in_words,
        round=ticket.round,
        data=data,
    )


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
    return Source(plain, filled(plain, masks), False, masks, "as given")


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


def filled(model: Any, masks: Masks) -> Any:
    """A copy whose pruned weights are random numbers, as large as the others."""
    filled = binding_of(model).weights_of(model)
    draw = np.random.default_rng(0)
    for path, mask in masks.items():
        values = filled[path]
        noise = draw.normal(scale=float(values.std()) or 1.0, size=values.shape)
        filled[path] = np.where(mask, values, noise.astype(values.dtype))
    return binding_of(model).plain(model, filled)
